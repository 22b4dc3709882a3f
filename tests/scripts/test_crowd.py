"""The table of `scripts/crowd.py` holds what its towns noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import crowd


def test_the_table_has_a_row_for_each_number_of_clients(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["crowd.py", "--clients", "1", "3", "--seconds", "10", "--engine", "digits"])
    crowd.main()
    *_, one, three = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in one.split("|")][1:3] == ["1", "0"]
    clients, refused, load, busy, first, commit, final, text = [cell.strip() for cell in three.split("|")][1:-1]
    assert (clients, refused, busy) == ("3", "0", "0")
    assert 0 < float(load) < 0.5
    for cell, least_s in ((first, 0.4), (commit, 0.2), (text, 0.001)):
        mean_s, rest = cell.split(" / ")
        p95_s, spread, chance = (float(part.strip("()")) for part in rest.replace(",", "").split())
        assert least_s < float(mean_s) <= p95_s < 2
        assert 0 <= spread < 2
        assert 0 <= chance < 2
    assert " / " in final
