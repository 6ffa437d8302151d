/* Tips of glossary terms. A tip is a definition list of its own, without the ids of the glossary. On a touch screen the first
   tap shows it and a second one follows the link. Escape closes it. */
(() => {
  "use strict";
  let touched = null;
  let opened = null;

  document.addEventListener("DOMContentLoaded", () => {
    if (!window.tippy) { return; }
    window.tippy.setDefaultProps({
      onCreate(instance) {
        const list = document.createElement("dl");
        list.innerHTML = instance.props.content;
        list.querySelectorAll("[id]").forEach((element) => element.removeAttribute("id"));
        instance.setContent(list);
      },
    });
  });

  document.addEventListener("pointerdown", (event) => { touched = event.pointerType === "touch" ? event.target : null; }, true);
  document.addEventListener("click", (event) => {
    const link = event.target.closest && event.target.closest("a.psm-term");
    if (link && link._tippy && touched && link.contains(touched) && opened !== link) {
      event.preventDefault();
      opened = link;
      link._tippy.show();
    } else {
      opened = null;
    }
  }, true);

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && window.tippy) { window.tippy.hideAll(); }
  });
})();
