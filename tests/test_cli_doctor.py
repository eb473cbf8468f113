import torch

from searchkit.cli.doctor import examine
from searchkit.retrieve.faiss_gpu import gpu_faiss


def test_doctor_says_which_exact_search_this_machine_has():
    [finding] = [finding for finding in examine() if finding.subject == "exact search"]
    name = "numpy" if not torch.cuda.is_available() else "FAISS" if gpu_faiss() else "torch"
    assert finding.is_sound
    assert finding.found.startswith(f"by {name} on ")
