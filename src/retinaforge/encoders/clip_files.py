"""CLIP's published files: where they are, under which licence, and their fingerprints."""

from __future__ import annotations

from retinaforge.encoders.family import PublishedFile

LAYOUT_SOURCE = (
    "openai/CLIP, clip/model.py; mlfoundations/open_clip, src/open_clip/model.py, transformer.py "
    "and pretrained.py at 89fb801; huggingface/transformers, models/clip/modeling_clip.py"
)
OF_OPENAI = {
    "ViT-B-32.pt": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "ViT-B-16.pt": "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
    "ViT-L-14.pt": "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
}
LAION = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
OF_HUGGING_FACE = (
    ("clip-vit-b32-hf", "openai/clip-vit-base-patch32/pytorch_model.bin"),
    ("clip-vit-l14-336-hf", "openai/clip-vit-large-patch14-336/pytorch_model.bin"),
    ("open-clip-vit-b32-laion2b", f"{LAION}/open_clip_model.safetensors"),
)


def _of_openai(file: str, sha256: str) -> PublishedFile:
    """Return a TorchScript archive of OpenAI's; its address holds its SHA-256."""
    return PublishedFile(
        name="clip-" + file.removesuffix(".pt").lower(),
        where=f"https://openaipublic.azureedge.net/clip/models/{sha256}/{file}",
        licence="MIT (openai/CLIP)",
        gate="none; a TorchScript archive, to be converted once before it loads",
        sha256=sha256,
        modality="natural",
        source="openai/CLIP, clip/clip.py",
    )


def _of_the_hub(name: str, rest: str) -> PublishedFile:
    return PublishedFile(
        name=name,
        where=f"hf:{rest}",
        licence="MIT" if rest.startswith("laion/") else "MIT (openai/CLIP)",
        gate="none",
        sha256="",
        modality="natural",
        source="the repository's page on the hub",
    )


FILES = (
    *(_of_openai(file, sha256) for file, sha256 in OF_OPENAI.items()),
    *(_of_the_hub(*file) for file in OF_HUGGING_FACE),
)
