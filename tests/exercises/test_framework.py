"""The machinery of the checks: reading numbers, running strangers' functions, naming mistakes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from expressions import READABLE, ROUNDINGS, SELECTIONS, UNREADABLE
from gradflow.exercises import Verdict, _registry, _runner, check, example, status
from gradflow.exercises._expression import EXAMPLES, UnreadableError, parse
from gradflow.exercises._function import FunctionCheck
from gradflow.exercises._guard import Guard
from gradflow.exercises._quiz import ChoiceCheck, NumberCheck, Option


@pytest.mark.parametrize(("text", "value"), READABLE.items())
def test_number_is_read_as_people_write_it(text: str, value: float) -> None:
    assert parse(text) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(("text", "reason"), UNREADABLE.items())
def test_what_is_no_number_is_refused_and_the_fragment_to_blame_named(text: str, reason: str) -> None:
    with pytest.raises(UnreadableError) as raised:
        parse(text)
    assert reason in raised.value.reason


def test_examples_of_numbers_give_no_answer_away() -> None:
    answers = [
        entry for entries in _registry.checks_by_page().values() for entry in entries if isinstance(entry, NumberCheck)
    ]
    for text in EXAMPLES.split("; "):
        verdicts = [entry.judge(parse(text)) for entry in answers]
        assert not any(verdict.passed or verdict.close for verdict in verdicts), text


SIXTH = NumberCheck("sixth", 1 / 6, [(6.0, "Перевёрнуто."), (0.1767, "Опечатка из статьи.")], 3, "Верно.", "Мимо.")


@pytest.mark.parametrize("answer", ["1/6", "0,1667", "0,166", 0.1667, 1 / 6, np.float32(1 / 6), torch.tensor(1 / 6)])
def test_number_is_accepted_in_every_form(answer: object) -> None:
    assert SIXTH.check(answer).passed


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (6, "Перевёрнуто."),
        ("0,1767", "Опечатка"),
        (7, "Мимо."),
        ("", "пока нет"),
        (None, "пока нет"),
        ("шесть", "Не понимаю «шесть»"),
        ([1 / 6], "одно число"),
        (torch.ones(2), "не число"),
        (float("nan"), "Мимо."),
        ("x < 1/6", "а не неравенство"),
    ],
)
def test_wrong_number_hears_what_is_wrong(answer: object, message: str) -> None:
    verdict = SIXTH.check(answer)
    assert not verdict.passed and message in verdict.message


def test_numbers_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be told"):
        replace(SIXTH, mistakes=[(0.1668, "Слишком близко.")])
    with pytest.raises(ValueError, match="finite"):
        replace(SIXTH, mistakes=[(float("inf"), "Бесконечность.")])
    with pytest.raises(ValueError, match="digits"):
        replace(SIXTH, digits=7)


@pytest.mark.parametrize(("value", "digits", "mistakes", "answer", "reply"), ROUNDINGS)
def test_rounding_is_told_from_a_mistake(
    value: float, digits: int | None, mistakes: list[float], answer: str, reply: str
) -> None:
    entry = NumberCheck("n", value, [(mistake, "ошибка") for mistake in mistakes], digits, "верно", "мимо")
    assert reply in str(entry.check(answer))


@pytest.mark.parametrize("answer", ["4", "c<4", "c < 4", "0<c<4", "0 < c <= 4", "≥ 4", "c ≤ 8/2"])
def test_bound_may_be_written_as_an_inequality(answer: str) -> None:
    assert NumberCheck("bound", 4.0, [], None, "Верно.", "Мимо.", bound=True).check(answer).passed


OPTIONS = [Option("раз", True, "раз верно"), Option("два", False, "два неверно"), Option("три", True, "три верно")]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("ав", None),
        ("в, а", None),
        ("АВ", None),
        ("а", "отметок: 1 из 3."),
        ("абв", "отметок: 1 из 3."),
        ("б", "отметок: 3 из 3."),
        ("", "пока нет"),
        ("я", "от «а» до «в»"),
        (2, "от «а» до «в»"),
        (["а", "в"], None),
        ({"в", "а"}, None),
        (["а", 2], "от «а»"),
        ([], "пока нет"),
        ("а) и в).", None),
        ("а;в", None),
        ("a, B", None),
        ("aв", None),
        (torch.ones(2), "от «а» до «в»"),
    ],
)
def test_several_true_options_are_all_wanted(answer: object, message: str | None) -> None:
    verdict = ChoiceCheck("several", OPTIONS, True, "Верно.").check(answer)
    assert verdict.passed == (message is None)
    assert verdict.message.endswith(message or "Верно.") or (message or "Верно.") in verdict.message


def test_clicking_through_several_options_gives_one_reason_for_each_new_selection() -> None:
    entry = ChoiceCheck("several", OPTIONS, True, "Верно.")
    replies = [entry.check(answer).message for answer in ("а", "а", "б", "абв", "а", "ба")]
    assert replies == SELECTIONS


def test_single_choice_explains_the_chosen_option_only() -> None:
    options = [Option("раз", False, "раз неверно"), Option("два", True, ""), Option("три", False, "три неверно")]
    entry = ChoiceCheck("single", options, False, "Верно.")
    assert entry.check("б").passed
    assert [entry.check(letter).message for letter in "ав"] == ["раз неверно", "три неверно"]
    assert "один" in entry.check("бв").message
    with pytest.raises(ValueError, match="true options"):
        ChoiceCheck("single", OPTIONS, False, "Верно.")


def matvec(W: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("ij,j->i", W, x)


def cases(generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    return [
        (torch.randn(n, n, generator=generator).double(), torch.randn(n, generator=generator).double())
        for n in (2, 3, 5)
    ]


def forever(W: Tensor, x: Tensor) -> Tensor:
    while True:
        pass


def stubborn(W: Tensor, x: Tensor) -> Tensor:
    while True:
        try:
            forever(W, x)
        except Exception:
            continue


def mutates(W: Tensor, x: Tensor) -> Tensor:
    y = W @ x
    W.zero_()
    return y


def warns(W: Tensor, x: Tensor) -> Tensor:
    print("предупреждение", file=sys.stderr)
    return W @ x


def fails_with_a_sentence(W: Tensor, x: Tensor) -> Tensor:
    raise RuntimeError("This is a sentence.")


def raises(W: Tensor, x: Tensor) -> Tensor:
    return W.nonsense(x)


def prints(W: Tensor, x: Tensor) -> Tensor:
    print("отладка")
    print("ошибка", file=sys.stderr)
    return W @ x


PRODUCT = FunctionCheck(
    name="matvec",
    reference=matvec,
    cases=cases,
    mistakes=[(lambda W, x: W.T @ x, "Умножено на транспонированную.")],
    properties=[],
    refuses=[],
    changes=(),
    observe=lambda arguments, result: result,
    rtol=1e-8,
    atol=1e-10,
    right="Верно.",
)


@pytest.mark.parametrize(
    "answer",
    [
        lambda W, x: W @ x,
        lambda W, x: (W * x).sum(1),
        lambda W, x: W.numpy() @ x.numpy(),
        lambda matrix, vector: torch.stack([row.dot(vector) for row in matrix]),
        lambda *arguments: arguments[0] @ arguments[1],
        lambda W, x: [float(row.dot(x)) for row in W],
        lambda W, x: [row.dot(x) for row in W],
        torch.mv,
    ],
)
def test_right_function_passes_in_any_style(answer: Callable[..., Any]) -> None:
    assert PRODUCT.check(answer).passed


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda W, x: x @ W, "транспонированную"),
        (raises, "в строке «return W.nonsense(x)»: AttributeError"),
        (fails_with_a_sentence, "a sentence.\n"),
        (lambda W, x: sys.exit(), "SystemExit"),
        (lambda W, x: input("?"), "EOFError"),
        (lambda W, x: None, "None"),
        (lambda W, x: "ответ", "str"),
        (lambda W, x: object(), "object, а нужны"),
        (mutates, "изменила свой аргумент W"),
        (lambda W, x: W @ x[:, None], "Форма (2, 1), а должна быть (2,)"),
        (lambda W, x: (W @ x).float(), "Тип float32"),
        (lambda W, x: (W @ x) / 0, "inf или nan"),
        (lambda W, x: -W @ x, "кроме знака"),
        (lambda W, x: W @ x * 3, "множитель 3,00"),
        (lambda W, x: x, "аргумент без изменений"),
        (lambda W, x: torch.ones(2).double(), "что ей ни дай"),
        (lambda W, x: (W @ x, x), "Тензоров и чисел в ответе 2, а должно быть 1"),
        (lambda W: W, "(W, x)"),
        (3.5, "без скобок"),
        (torch.ones(2), "без скобок"),
    ],
)
def test_wrong_function_hears_what_is_wrong(answer: object, message: str) -> None:
    verdict = PRODUCT.check(answer)
    assert not verdict.passed and message in verdict.message
    assert "0x" not in str(verdict)


def test_prints_are_swallowed_and_mentioned(capfd: pytest.CaptureFixture[str]) -> None:
    verdict = PRODUCT.check(prints)
    assert verdict.passed and "печатает" in verdict.message
    assert capfd.readouterr() == ("", "")


def test_warning_of_a_library_is_swallowed_and_is_no_print(capfd: pytest.CaptureFixture[str]) -> None:
    assert PRODUCT.check(warns).message == "Верно."
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", [lambda x, value: value + 0 * x[0], lambda x, value: value + 0 * x])
def test_numbers_that_round_alike_are_printed_with_more_digits(form: Callable[..., Any]) -> None:
    entry = replace(PRODUCT, reference=lambda W, x: form(x, 0.8), mistakes=[])
    message = entry.check(lambda W, x: form(x, 0.8 + 1e-5)).message
    assert "0,800010, а долж" in message and "быть 0,800000." in message


def test_mistake_is_not_blamed_where_it_does_no_harm() -> None:
    def doubled(W: Tensor, x: Tensor) -> Tensor:
        return W @ x * (2 if len(x) == 5 else 1)

    entry = replace(PRODUCT, mistakes=[(doubled, "Пять удвоено.")])
    assert "Пять удвоено." in entry.check(doubled).message
    assert "Пять удвоено." not in entry.check(lambda W, x: doubled(W, x) + (len(x) == 3)).message


def test_gradients_left_on_a_model_are_named() -> None:
    def weight_grad(model: nn.Linear, x: Tensor) -> Tensor:
        return torch.autograd.grad(model(x).sum(), model.weight)[0]

    def with_backward(model: nn.Linear, x: Tensor) -> Tensor:
        model(x).sum().backward()
        return model.weight.grad

    def tidy(model: nn.Linear, x: Tensor) -> Tensor:
        grad = with_backward(model, x).clone()
        model.zero_grad()
        return grad

    def spoils(model: nn.Linear, x: Tensor) -> Tensor:
        grad = weight_grad(model, x)
        torch.nn.init.zeros_(model.weight)
        return grad

    models = lambda generator: [(nn.Linear(3, 2), torch.randn(3, generator=generator)) for _ in range(3)]  # noqa: E731
    entry = replace(PRODUCT, reference=weight_grad, cases=models, mistakes=[])
    assert entry.check(tidy).passed
    assert "остались градиенты .grad. Уберите их (model.zero_grad())" in entry.check(with_backward).message
    assert "изменила свой аргумент model" in entry.check(spoils).message


@pytest.mark.parametrize("answer", [forever, stubborn])
def test_endless_loop_is_stopped_and_reported(answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runner, "SECONDS", 0.2)
    monkeypatch.setattr(_runner, "PATIENCE", 1000)  # a loop that hardly gets the processor is not one that waits
    before = set(threading.enumerate())
    verdict = PRODUCT.check(answer)
    assert not verdict.passed and "бесконечный цикл" in verdict.message
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()


def test_check_survives_a_thread_that_cannot_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runner, "SECONDS", 0.1)
    release = threading.Event()
    verdict = PRODUCT.check(lambda W, x: release.wait(30))
    release.set()
    assert "ждёт и не заканчивает" in verdict.message


def test_slow_clock_condemns_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runner, "SECONDS", 0.2)
    waits_longer_than_it_may_compute = threading.Event()
    threading.Timer(0.5, waits_longer_than_it_may_compute.set).start()
    assert PRODUCT.check(lambda W, x: (waits_longer_than_it_may_compute.wait(30), W @ x)[1]).passed


@pytest.mark.parametrize("by_hand", [True, False])
def test_automatic_derivative_is_refused_only_where_the_exercise_forbids_it(by_hand: bool) -> None:
    def automatic(W: Tensor, x: Tensor) -> Tensor:
        return torch.func.jacrev(lambda v: W @ v)(x) @ x

    def recorded(W: Tensor, x: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        return torch.stack([torch.autograd.grad(y, leaf, retain_graph=True)[0] for y in W @ leaf]) @ x

    entry = replace(PRODUCT, guard=Guard(by_hand))
    assert entry.check(torch.mv).passed
    for answer in (automatic, recorded):
        verdict = entry.check(answer)
        assert verdict.passed != by_hand and ("вычислить самим" in verdict.message) == by_hand


def test_large_tensor_is_refused_where_the_exercise_forbids_it() -> None:
    entry = replace(PRODUCT, guard=Guard(most_elements=lambda arguments: arguments[0].numel()))
    assert entry.check(torch.mv).passed
    assert "тензор из 16 чисел, а хватает 4" in entry.check(lambda W, x: torch.eye(4)[:2, :2] @ x).message


def test_input_of_a_message_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_checks", {"page": [PRODUCT]})
    message = PRODUCT.check(lambda W, x: W @ x + (len(x) == 5)).message
    assert 'example("matvec", 2)' in message
    W, x = example("matvec", 2)
    assert len(x) == 5 and torch.equal(example("matvec", 2)[0], W)
    with pytest.raises(ValueError, match="number:"):
        example("matvec", 9)
    with pytest.raises(ValueError, match="name:"):
        example("nothing of the kind", 0)


def test_answer_to_all_parts_at_once_hears_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_checks", {"page": [SIXTH, replace(SIXTH, name="sixth-again"), PRODUCT]})
    assert "«sixth», «sixth-again»" in check("sixth", (1 / 6, 1 / 6)).message


def test_global_state_of_torch_comes_back() -> None:
    def careless(W: Tensor, x: Tensor) -> Tensor:
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float16)
        torch.set_num_threads(2)
        return W @ x

    torch.manual_seed(123)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    assert PRODUCT.check(careless).passed
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == torch.float32 and torch.get_num_threads() == threads


def test_random_answer_is_judged_the_same_way_twice() -> None:
    def noisy(W: Tensor, x: Tensor) -> Tensor:
        return W @ x + torch.randn(len(x))

    first = PRODUCT.check(noisy)
    torch.rand(3)  # the reader's own stream moves on
    assert PRODUCT.check(noisy) == first


def test_property_that_cannot_be_judged_does_not_hold() -> None:
    broken = [(lambda arguments, result: result.no_such_thing, "Не та вещь.")]
    assert "Не та вещь." in replace(PRODUCT, properties=broken).check(torch.mv).message


def test_same_verdict_twice() -> None:
    assert PRODUCT.check(raises) == PRODUCT.check(raises)
    assert str(PRODUCT.check(lambda W, x: W @ x + 1)) == str(PRODUCT.check(lambda W, x: W @ x + 1))


def test_property_and_refusal_have_their_messages() -> None:
    positive = [(lambda arguments, result: bool((result > 1e9).all()), "Должно быть больше.")]
    assert "Должно быть больше." in replace(PRODUCT, properties=positive).check(torch.mv).message
    refuses = [((torch.ones(2, 2), torch.full((2,), torch.inf)), "На inf нужна ошибка.")]
    demanding = replace(PRODUCT, refuses=refuses)
    assert "На inf нужна ошибка." in demanding.check(torch.mv).message

    def careful(W: Tensor, x: Tensor) -> Tensor:
        if not x.isfinite().all():
            raise ValueError("x")
        return W @ x

    assert demanding.check(careful).passed


def test_in_place_function_is_judged_by_what_it_left_behind() -> None:
    def double(W: Tensor, x: Tensor) -> Tensor:
        return x.mul_(2)

    entry = replace(
        PRODUCT, reference=double, changes=(1,), observe=lambda arguments, result: arguments[1], mistakes=[]
    )
    assert entry.check(lambda W, x: x.add_(x)).passed
    assert not entry.check(lambda W, x: x.add_(1)).passed
    assert not entry.check(lambda W, x: x + x).passed


def test_stub_that_should_work_in_place_is_told_that_it_is_empty() -> None:
    def reset_(model: nn.Linear) -> None:
        torch.nn.init.zeros_(model.weight)

    entry = replace(
        PRODUCT,
        reference=reset_,
        changes=(0,),
        observe=lambda arguments, result: arguments[0].weight,
        mistakes=[],
        cases=lambda generator: [(nn.Linear(2, 2),), (nn.Linear(3, 3),)],
    )
    assert entry.check(reset_).passed
    assert "тело ещё не написано" in entry.check(lambda model: None).message
    assert "тело ещё не написано" not in entry.check(lambda model: nn.init.ones_(model.weight)).message


def test_unknown_name_is_answered_with_the_names_like_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "page_names", lambda: ["page"])
    monkeypatch.setattr(_registry, "_checks", {"page": [SIXTH, PRODUCT]})
    assert check("sixht", 1).message == "Задачи с именем «sixht» нет. Есть похожие: «sixth»."
    assert check("no such thing", 1).message.endswith("Все имена показывает status().")
    assert not check(6, 1).passed  # type: ignore[arg-type]


def test_label_of_the_page_will_do_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_done", set())
    monkeypatch.setattr(_registry, "page_names", lambda: ["page"])
    monkeypatch.setattr(_registry, "_checks", {"page": [SIXTH]})
    assert check("ex-sixth", "1/6").passed and "Решено 1 из 1" in str(status())


def test_status_knows_what_has_been_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_done", set())
    monkeypatch.setattr(_registry, "page_names", lambda: ["page"])
    monkeypatch.setattr(_registry, "_checks", {"page": [SIXTH, PRODUCT]})
    check("sixth", 5)
    assert status().pages == {"page": [("sixth", False), ("matvec", False)]}
    check("sixth", "1/6")
    assert "Решено 1 из 2" in str(status()) and "✓ sixth" in str(status("page"))
    assert "<th>" in status()._repr_html_()
    with pytest.raises(ValueError, match="page:"):
        status("elsewhere")


def test_name_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "_checks", {"page": [SIXTH]})
    with pytest.raises(ValueError, match="taken"):
        _registry.register("other", SIXTH)


def test_verdict_reads_well_in_a_terminal_and_in_a_notebook() -> None:
    verdict = Verdict(False, "‖W‖ < 1\nВход: W.")
    assert str(verdict) == "✗ ‖W‖ < 1\nВход: W."
    assert "‖W‖ &lt; 1<br>Вход" in verdict._repr_html_()
