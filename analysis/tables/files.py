"""Tables of text cells as files: Markdown, LaTeX and CSV."""

from collections.abc import Mapping

import polars as pl

from analysis.tables.cells import to_latex, to_markdown
from scaling.store import Storage

Tables = Mapping[str, tuple[pl.DataFrame, str]]  # name -> (text cells, caption)


def write_tables(storage: Storage, prefix: str, tables: Tables) -> list[str]:
    """Write each table as `<prefix><name>.md`, `.tex` and `.csv`. Returns the names."""
    files: dict[str, bytes] = {}
    for name, (frame, caption) in tables.items():
        files[f"{prefix}{name}.md"] = f"**{caption}**\n\n{to_markdown(frame)}".encode()
        files[f"{prefix}{name}.tex"] = to_latex(frame, caption).encode()
        files[f"{prefix}{name}.csv"] = frame.write_csv().encode()
    for name, content in files.items():
        storage.write(name, content)
    return list(files)
