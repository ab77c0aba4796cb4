"""The documentation runs: the Python blocks of a page are one program, and its links lead somewhere."""

import ast
import re
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if page.exists()]
BLOCKS = [path for path in sorted((ROOT / "dsp").glob("*.py")) if not path.name.startswith("_")]


def program(text):
    """Join the blocks marked ```python, each at its own line numbers; ```python no-run stays out."""
    lines, inside, indent = [], False, 0
    for line in text.splitlines():
        mark = line.strip()
        if inside and mark == "```":
            inside = False
        elif mark == "```python":
            inside, indent = True, len(line) - len(line.lstrip())
            lines.append("")
            continue
        lines.append(line[indent:] if inside else "")
    return "\n".join(lines)


PROGRAMS = [page for page in PAGES if program(page.read_text(encoding="utf-8")).strip()]


def test_the_readme_is_a_program():
    assert ROOT / "README.md" in PROGRAMS


def test_blocks_keep_their_line_numbers():
    page = "a\n```python\nx = 1\n```\n```python no-run\nx = 2\n```\n- item\n  ```python\n  y = x\n  ```\n"
    assert program(page).split("\n") == ["", "", "x = 1", "", "", "", "", "", "", "y = x", ""]


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = compile(program(page.read_text(encoding="utf-8")), str(page), "exec")
    names = {"__name__": "__page__"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(code, names)
    assert len(names) > 2, "the blocks define something"


OTHER_PAGES = [*(ROOT / "experiments").rglob("*.md"), *(ROOT / "lpcnet_cq").rglob("*.md"), ROOT / "web" / "README.md"]


@pytest.mark.parametrize("page", [*PAGES, *sorted(OTHER_PAGES)], ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s#?]+)[^)]*\)", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def functions_for_users(path):
    """Public functions with an example: those without are shared among modules only."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            if ">>>" in (ast.get_docstring(node) or ""):
                yield node.name


@pytest.mark.parametrize("path", BLOCKS, ids=lambda path: path.stem)
def test_every_function_of_a_block_is_on_its_page(path):
    page = ROOT / "docs" / "dsp" / f"{path.stem.partition('_')[0]}.md"
    names = list(functions_for_users(path))
    text = page.read_text(encoding="utf-8") if names else ""
    assert not [name for name in names if not re.search(rf"\b{name}\b", text)]
