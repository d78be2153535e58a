"""Relative links of all Markdown files of the repository lead to a file, and to a heading where they name one."""

import pathlib
import re
import subprocess
import sys

def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)

def headings(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}

wrong = []
for name in subprocess.check_output(["git", "ls-files", "*.md"], text=True).split():
    page = pathlib.Path(name)
    text = re.sub(r"`[^`\n]*`", "", without_code(page.read_text()))
    for link in re.findall(r"\]\((?![a-z]+:)([^)\s]+)\)", text):
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (heading and heading not in headings(target.read_text())):
            wrong.append(f"{name}: {link}")
sys.exit("links that lead nowhere:\n" + "\n".join(wrong) if wrong else 0)
