from __future__ import annotations

import pytest
from planned_networks import network

from convprof import planning
from convprof.errors import PlanError


class TestSelect:
    def test_all_that_is_eligible_is_wanted(self) -> None:
        assert [conv.name for conv in planning.select(network(), (), ())] == ["stem", "body", "head"]

    def test_only_and_skip(self) -> None:
        assert [conv.name for conv in planning.select(network(), ("head", "stem"), ())] == ["stem", "head"]
        assert [conv.name for conv in planning.select(network(), (), ("stem",))] == ["body", "head"]
        assert [conv.name for conv in planning.select(network(), ("head", "stem"), ("stem",))] == ["head"]

    @pytest.mark.parametrize(("only", "skip", "option"), [(("haed",), (), "--only"), ((), ("haed",), "--skip")])
    def test_a_name_that_is_not_there_is_named(self, only: tuple[str, ...], skip: tuple[str, ...], option: str) -> None:
        with pytest.raises(PlanError) as refused:
            planning.select(network(), only, skip)
        assert refused.value.what == f"{option} 'haed'"

    @pytest.mark.parametrize(("only", "skip"), [(("mix",), ()), (("body",), ("body",))])
    def test_nothing_left_to_convert_is_refused(self, only: tuple[str, ...], skip: tuple[str, ...]) -> None:
        with pytest.raises(PlanError, match="no conv is left"):
            planning.select(network(), only, skip)
