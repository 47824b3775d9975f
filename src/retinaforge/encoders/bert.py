"""A BERT of transformers' from a file's own keys: its sizes come from the arrays."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from retinaforge.core import Refusal
from retinaforge.encoders.tokenise import transformers
from retinaforge.encoders.weights import load_keys

HEAD_WIDTH = 64
LEFT_ASIDE = {
    "pooler.": "a pooling that the text tower does not use",
    "embeddings.position_ids": "0, 1, 2, ..., no weights",
    "embeddings.token_type_ids": "zeros, no weights",
}


def load_bert(weights: Mapping[str, Tensor]) -> nn.Module:
    """Return transformers' BertModel with these weights (its names, heads of 64 channels).

    Raises:
        Refusal: if the arrays are no BERT's, or transformers is absent.
    """
    library = transformers()
    words = weights.get("embeddings.word_embeddings.weight")
    hidden = weights.get("encoder.layer.0.intermediate.dense.weight")
    if words is None or hidden is None:
        raise Refusal(
            "a BERT's arrays, embeddings.word_embeddings.weight among them",
            f"keys such as {', '.join(sorted(weights)[:3]) or 'none'}",
            "name the file as its authors published it",
        )
    layers = [int(key.split(".")[2]) for key in weights if key.startswith("encoder.layer.")]
    config = library.BertConfig(
        vocab_size=len(words),
        hidden_size=words.shape[1],
        num_hidden_layers=1 + max(layers),
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        intermediate_size=len(hidden),
        max_position_embeddings=len(weights["embeddings.position_embeddings.weight"]),
        type_vocab_size=len(weights["embeddings.token_type_embeddings.weight"]),
    )
    bert = library.BertModel(config, add_pooling_layer=False)
    load_keys(bert, weights, ignore=LEFT_ASIDE)
    return bert.eval()


def needed(weights: Mapping[str, Tensor], name: str) -> Tensor:
    """Return one array of a text tower, or refuse a file without it."""
    if name in weights:
        return weights[name]
    raise Refusal(
        f"a whole text tower, with {name}",
        f"{len(weights)} arrays without it",
        "name the file as its authors published it",
    )


def under(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the arrays whose names begin with a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
