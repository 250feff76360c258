"""The format of a task file by the ending of its name, and files of other kinds, which are no task files."""

from __future__ import annotations

from typing import Final

from dwork.core.errors import TaskFileError
from dwork.core.text import shown

_FORMATS: Final = {".txt": "lines", ".csv": "csv", ".jsonl": "jsonl", ".dag": "dag", ".toml": "hyperqueue"}
_ADVICE: Final = "give a file with one command per line, or use --format lines if this is one"
_KINDS: Final = {
    "JSON": (".json", ".ipynb", ".geojson"),
    "YAML": (".yaml", ".yml", ".cwl"),
    "settings": (".ini", ".env"),
    "a job script": (".slurm", ".sbatch", ".pbs", ".lsf", ".sge", ".qsub", ".bsub"),
    "text for people": (".md", ".rst", ".tex", ".html", ".htm", ".pdf", ".doc", ".docx", ".rtf"),
    "a program": (
        ".py", ".pyc", ".pyi", ".pyx", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cu", ".f", ".f90", ".f95", ".f03",
        ".for", ".r", ".jl", ".pl", ".pm", ".rb", ".m", ".go", ".rs", ".java", ".js", ".ts", ".lua", ".awk", ".sed",
        ".bat", ".ps1", ".csh", ".tcsh", ".fish", ".exe", ".so", ".o", ".a", ".jar", ".whl",
    ),
    "the workflow of another system": (".smk", ".nf", ".wdl", ".dax", ".mk"),
    "a table": (".tsv", ".xls", ".xlsx", ".ods", ".parquet"),
    "data": (
        ".xml", ".db", ".sqlite", ".sql", ".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz", ".h5", ".hdf5", ".nc",
        ".npy", ".npz", ".pkl", ".mat", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".fa", ".fasta", ".fq",
        ".fastq", ".bam", ".sam", ".vcf", ".bed", ".pdb", ".fits",
    ),
}  # fmt: skip
_OTHERS: Final = {ending: kind for kind, endings in _KINDS.items() for ending in endings}
_NAMES: Final = {
    "makefile": "a program",
    "gnumakefile": "a program",
    "snakefile": "the workflow of another system",
    "dockerfile": "a program",
    "cmakelists.txt": "a program",
}


def format_of(path: str, default: str = "lines") -> str:
    """Return the format for the ending of a file's name, or default.

    Raise TaskFileError for a name of a file that holds something else.
    """
    name = path.rpartition("/")[2].lower()
    point = name.rfind(".")
    ending = name[point:] if point > 0 else ""
    kind = _NAMES.get(name) or _OTHERS.get(ending)
    if kind:
        what = f"{ending} is the ending of {kind}" if ending in _OTHERS else f"this is the name of {kind}"
        raise TaskFileError(f"{shown(path)}: {what}, not of a task file; {_ADVICE}")
    return _FORMATS.get(ending, default)
