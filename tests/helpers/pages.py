"""What the pages of the manual hold: fenced blocks with their marks, links, and the anchors of headings."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = {"reference.md", "rows.md", "zoo.md"}  # tables alone
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

FENCE = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*?) -->\n)?```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    `mark` is the HTML comment on the line before it: 'not run: WHY', 'slow', or 'file: NAME', which is what its text is
    written to before any block runs.
    """

    page: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def how(self) -> str:
        """'run', 'slow' or 'not run'."""
        return "slow" if self.mark == "slow" else "not run" if self.mark.startswith("not run: ") else "run"

    @property
    def file(self) -> str | None:
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def commands(self) -> list[str]:
        """Lines of a shell block, those that a backslash continues joined, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in (line.strip() for line in lines) if line and not line.startswith("#")]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, but for those that the site's generator reads (`{toctree}`)."""
    text = page.read_text()
    return [
        Block(
            page.relative_to(ROOT).as_posix(),
            text.count("\n", 0, match.start("language")) + 1,
            match["language"],
            match["mark"] or "",
            match["text"],
        )
        for match in FENCE.finditer(text)
        if not match["language"].startswith("{")
    ]


def links(page: Path) -> list[str]:
    """Targets of all links and images outside of fenced blocks."""
    return [match["target"] for match in LINK.finditer(FENCE.sub("", page.read_text()))]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
