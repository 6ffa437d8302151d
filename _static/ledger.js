/* The ledger page: filters of the table of claims, and tests that open when an address names them. Does nothing on other pages. */
(function () {
  "use strict";

  /* The elements around an address's target are opened, and the target is brought into view. */
  function reveal() {
    var name;
    try {
      name = decodeURIComponent(window.location.hash.slice(1));
    } catch (error) {
      return;
    }
    var target = name && document.getElementById(name);
    if (!target || !target.closest("details.psm-fold")) {
      return;
    }
    for (var fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      fold.open = true;
    }
    target.scrollIntoView();
  }

  function setUp(form) {
    var table = document.getElementById(form.dataset.psmFilter);
    if (!table) {
      return;
    }
    var lines = Array.prototype.slice.call(table.querySelectorAll("tbody tr[data-verdict]"));
    var choices = Array.prototype.slice.call(form.querySelectorAll("select"));
    var told = form.querySelector("output");

    /* A line is shown when every choice that was made fits it; a claim without a line goes with its heading. */
    function show() {
      var shown = 0;
      lines.forEach(function (line) {
        line.hidden = !choices.every(function (choice) {
          return !choice.value || line.dataset[choice.name] === choice.value;
        });
        shown += line.hidden ? 0 : 1;
      });
      Array.prototype.forEach.call(table.tBodies, function (body) {
        body.hidden = !body.querySelector("tr[data-verdict]:not([hidden])");
      });
      told.textContent = shown + " of " + lines.length + " lines shown";
    }

    /* The address names the choices, so that a link can make them; a value that the form does not offer is left out. */
    function read() {
      var asked = new URLSearchParams(window.location.search);
      choices.forEach(function (choice) {
        choice.value = asked.get(choice.name) || "";
        if (choice.selectedIndex < 0) {
          choice.value = "";
        }
      });
      show();
    }

    function write() {
      var address = new URL(window.location.href);
      choices.forEach(function (choice) {
        if (choice.value) {
          address.searchParams.set(choice.name, choice.value);
        } else {
          address.searchParams.delete(choice.name);
        }
      });
      try {
        window.history.replaceState(null, "", address);
      } catch (error) {
        /* Some browsers keep the address of a local file as it is; the filter works all the same. */
      }
      show();
    }

    form.addEventListener("change", write);
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    form.addEventListener("reset", function (event) {
      event.preventDefault();
      choices.forEach(function (choice) { choice.value = ""; });
      write();
    });
    window.addEventListener("popstate", read);
    form.hidden = false;
    read();
  }

  function start() {
    Array.prototype.forEach.call(document.querySelectorAll("form[data-psm-filter]"), setUp);
    reveal();
    window.addEventListener("hashchange", reveal);
    document.addEventListener("click", function (event) {
      var link = event.target.closest && event.target.closest('a[href^="#"]');
      if (link && link.getAttribute("href") === window.location.hash) {
        reveal();   /* the same address again: no hashchange comes */
      }
    });
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
