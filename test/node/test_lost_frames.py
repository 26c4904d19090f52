"""Frames lost on the way here, told from stamps."""

import random

from gain_ros.node.lost_frames import GapCounter

MS = 1_000_000


def lost(stamps_ms):
    counter = GapCounter()
    for stamp_ms in stamps_ms:
        counter.add(round(stamp_ms * MS))
    return counter.lost


def test_a_steady_source_loses_nothing():
    assert lost([33.3 * n for n in range(200)]) == 0


def test_jitter_is_no_loss():
    chosen = random.Random(1)
    assert lost([33.3 * n + chosen.uniform(-5, 5) for n in range(500)]) == 0


def test_a_frame_that_is_late_is_no_loss():
    late_by_ms = {40: 30, 41: 8, 70: 25, 100: 20}  # 41 is late as well: both hurry to catch up
    assert lost([33.3 * n + late_by_ms.get(n, 0) for n in range(150)]) == 0


def test_gaps_are_counted():
    missing = {40, 60, 61, 62, 90}
    assert lost([33.3 * n for n in range(150) if n not in missing]) == len(missing)


def test_heavy_loss_is_counted_about_right():
    chosen = random.Random(2)
    arrived = [n for n in range(600) if chosen.random() < 0.4]
    truth = arrived[-1] - arrived[0] + 1 - len(arrived)
    assert abs(lost([33.3 * n for n in arrived]) - truth) < 0.1 * truth


def test_a_slower_or_faster_rate_is_no_loss():
    half = [33.3 * n for n in range(100)] + [3330 + 66.6 * n for n in range(1, 100)]
    double = [66.6 * n for n in range(100)] + [6660 + 33.3 * n for n in range(100)]
    triple = [100.0 * n for n in range(100)] + [10_170 + 33.3 * n for n in range(100)]
    assert [lost(stamps) for stamps in (half, double, triple)] == [0, 0, 0]


def test_losses_after_a_change_of_rate_are_measured_by_the_new_one():
    stamps = [33.3 * n for n in range(100)] + [3330 + 66.6 * n for n in range(1, 100) if n not in (50, 51)]
    assert lost(stamps) == 2


def test_a_pause_is_no_loss():
    assert lost([33.3 * n for n in range(50)] + [60_000 + 33.3 * n for n in range(50)]) == 0


def test_a_bag_that_loops_is_no_loss():
    assert lost([33.3 * n for n in range(50)] * 4) == 0


def test_a_short_bag_that_loops_often_shows_its_own_gaps_alone():
    one_round = [33.3 * n for n in range(12) if n != 5]
    assert lost([33.3 * n for n in range(12)] + one_round * 30) == 30


def test_the_period_is_found_where_only_every_second_frame_arrives():
    arrived = [n for n in range(1200) if n % 2 == 0 or n % 12 == 1]
    truth = arrived[-1] + 1 - len(arrived)
    assert abs(lost([33.3 * n for n in arrived]) - truth) < 0.1 * truth


def test_stamps_that_stand_still_are_no_loss():
    assert lost([0.0] * 100) == 0


def test_what_was_missed_while_not_listening_is_no_loss():
    counter = GapCounter()
    for n in [*range(30), *range(40, 60)]:
        if n == 40:
            counter.restart()
        counter.add(n * 33 * MS)
    assert counter.lost == 0
