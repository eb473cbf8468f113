"""Random models of the real classes, small enough to make in a test."""

from searchkit.models.quiet import quiet

WORDS = (
    "a the of in and star stars galaxy dust light cell cells bone vitamin protein risk model "
    "models neural learning data graph battery lithium glass metal query passage title"
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_bert(folder, *, seed=0, positions=64):
    """A raw BERT of 2 layers with a WordPiece tokenizer: no sentence-transformers modules."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789.,-"]
    vocab = [*SPECIAL, *WORDS.split(), *letters[1:], *("##" + letter for letter in letters)]
    ids = {piece: n for n, piece in enumerate(dict.fromkeys(vocab))}
    core = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer()
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(ids),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        initializer_range=0.3,  # the usual 0.02 leaves all texts alike
    )
    with quiet():
        BertModel(config).save_pretrained(folder)
        tokenizer = BertTokenizerFast(tokenizer_object=core, model_max_length=positions)
        tokenizer.save_pretrained(folder)
    return folder


def save_encoder(folder, *, pooling="mean", max_tokens=32, prompts=None, seed=0):
    """The same BERT as a sentence-transformers folder: Transformer, Pooling, Normalize."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    raw = save_bert(folder.with_name(folder.name + "-raw"), seed=seed)
    with quiet():
        transformer = Transformer(str(raw), max_seq_length=max_tokens)
        modules = [transformer, Pooling(32, pooling), Normalize()]
        model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
        model.save_pretrained(str(folder), create_model_card=False)
    return folder


def save_cross_encoder(folder, *, seed=0):
    """A random cross-encoder of one label on the same BERT; each seed has its own opinion."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    raw = save_bert(folder.with_name(folder.name + "-raw"), seed=seed)
    torch.manual_seed(seed)
    with quiet():
        model = BertForSequenceClassification(BertConfig.from_pretrained(raw, num_labels=1))
        model.save_pretrained(folder)
        BertTokenizerFast.from_pretrained(raw).save_pretrained(folder)
    return folder
