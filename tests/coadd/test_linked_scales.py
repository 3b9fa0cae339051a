"""Tests of scales of detectors that share no star."""

from __future__ import annotations

import numpy as np

from lamella.coadd.linked_scales import link_groups


def test_detectors_of_a_camera_are_put_on_one_scale() -> None:
    # Two detectors in three visits of the scales 1, 2, 4; that of the second is relative to its last visit.
    scale = np.array([1.0, 2.0, 4.0, 0.25, 0.5, 1.0])
    linked = link_groups(scale, np.array([0, 0, 0, 5, 5, 5]), [1, 2, 3, 1, 2, 3])
    np.testing.assert_allclose(linked.scale, [1.0, 2.0, 4.0, 1.0, 2.0, 4.0])
    assert linked.reference.tolist() == [0] * 6
    assert linked.by_visit.tolist() == [False] * 3 + [True] * 3


def test_the_median_of_visits_is_taken() -> None:
    scale = np.array([1.0, 1.0, 1.0, 2.0, 2.2, 7.0])
    linked = link_groups(scale, np.array([0, 0, 0, 3, 3, 3]), [1, 2, 3, 1, 2, 3])
    np.testing.assert_allclose(linked.scale[3:], scale[3:] / 2.2)


def test_groups_are_linked_through_others() -> None:
    # The third shares a visit with the second one only.
    scale = np.array([1.0, 1.0, 1.0, 3.0, 3.0, 5.0])
    linked = link_groups(scale, np.array([0, 0, 0, 3, 3, 5]), [1, 2, 3, 3, 4, 4])
    np.testing.assert_allclose(linked.scale, 1.0)
    assert set(linked.reference.tolist()) == {0}


def test_groups_without_a_common_visit_stay_apart_and_are_linked_among_themselves() -> None:
    scale = np.array([1.0, 1.0, 1.0, 3.0, 3.0, 6.0])
    linked = link_groups(scale, np.array([0, 0, 0, 3, 3, 5]), [1, 2, 3, 7, 8, 8])
    np.testing.assert_allclose(linked.scale, [1.0, 1.0, 1.0, 3.0, 3.0, 3.0])
    assert linked.reference.tolist() == [0, 0, 0, 3, 3, 3]


def test_known_scales_stay_and_others_follow_them() -> None:
    scale = np.array([3.0, 3.0, 3.0, 5.0, np.nan])
    linked = link_groups(scale, np.array([0, 0, 0, 3, 4]), [1, 2, 3, 3, 3], fixed=(3,))
    np.testing.assert_allclose(linked.scale, [5.0, 5.0, 5.0, 5.0, np.nan])
    assert linked.reference.tolist() == [3, 3, 3, 3, 4]
    both = link_groups(scale, np.array([0, 0, 0, 3, 4]), [1, 2, 3, 3, 3], fixed=(0, 3))
    np.testing.assert_allclose(both.scale, scale)
    assert not both.by_visit.any()
