"""Every patient, ill and cured, over five seeds: the right cause in the right place, and nothing after the cure."""

import inspect

import pytest

from gradflow.experiments.diagnosis import PATIENTS

SEEDS = range(5)


@pytest.mark.parametrize("name", PATIENTS)
def test_the_ill_are_told_their_cause_and_place_among_the_first_two_findings(name):
    patient = PATIENTS[name]
    for seed in SEEDS:
        first = patient(seed).diagnose()[:2]
        right = [finding for finding in first if finding.code in patient.causes and patient.where in finding.where]
        assert right, f"seed {seed}: {[(finding.code, finding.where) for finding in first]}"


@pytest.mark.parametrize("name", PATIENTS)
def test_the_cured_are_told_nothing(name):
    for seed in SEEDS:
        findings = PATIENTS[name](seed, ill=False).diagnose()
        assert not findings, f"seed {seed}: {findings}"


@pytest.mark.parametrize("name", PATIENTS)
def test_a_patient_is_at_most_25_lines(name):
    assert len(inspect.getsource(PATIENTS[name].run).splitlines()) <= 25


def test_a_patient_leaves_the_global_random_state_alone():
    import torch

    before = torch.get_rng_state()
    PATIENTS["sqrt_of_zero"](0)
    assert torch.equal(torch.get_rng_state(), before)
