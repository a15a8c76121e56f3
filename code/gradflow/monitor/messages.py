"""The words of the monitor, in Russian and English, in one table."""

from __future__ import annotations

import math
from typing import NamedTuple

LANGUAGES = ("ru", "en")

WORDS: dict[str, dict[str, str]] = {
    "ru": {
        "seen": "видно",
        "where": "где",
        "since": "с шага",
        "causes": "возможные причины",
        "test": "как различить",
        "cure": "лечение",
        "section": "раздел книги",
        "healthy": "Похоже, здорова: ни одно правило не сработало.",
        "unknown": "Не знаю: правила молчат, но шагов мало или потеря не падает.",
        "no steps": "Ни одного шага не записано.",
        "loss": "потеря",
        "step": "шаг",
        "steps": "шагов",
        "module": "модуль",
        "activation": "выход",
        "gradient": "градиент",
        "weights": "dW",
        "update": "шаг/вес",
        "bad": "inf/nan",
        "exception": "цикл прервало исключение",
        "model": "модель",
        "findings": "Диагноз",
        "first step": "первый шаг",
        "last step": "последний шаг",
    },
    "en": {
        "seen": "seen",
        "where": "where",
        "since": "since step",
        "causes": "likely causes",
        "test": "tell them apart",
        "cure": "cure",
        "section": "book",
        "healthy": "Looks healthy: no rule fired.",
        "unknown": "Cannot tell: no rule fired, but there are few steps or the loss does not fall.",
        "no steps": "No step was recorded.",
        "loss": "loss",
        "step": "step",
        "steps": "steps",
        "module": "module",
        "activation": "output",
        "gradient": "gradient",
        "weights": "dW",
        "update": "step/W",
        "bad": "inf/nan",
        "exception": "the loop was ended by an exception",
        "model": "model",
        "findings": "Diagnosis",
        "first step": "first step",
        "last step": "last step",
    },
}

GROUPS = {
    "forward": {"ru": "вперёд", "en": "forward"},
    "backward": {"ru": "назад", "en": "backward"},
    "format": {"ru": "формат чисел", "en": "format of numbers"},
    "loop": {"ru": "цикл обучения", "en": "training loop"},
    "growth": {"ru": "взорвалось", "en": "explodes"},
    "learning": {"ru": "не учится", "en": "does not learn"},
}


# The record's own words, which are English.
RUSSIAN = {
    "zero": "нуль",
    "nothing": "нуль",
    "negative": "отрицательное число",
    "large": "слишком большое число",
    "outside the domain": "число вне области определения",
    "finite": "конечные числа",
    "softmax twice": "softmax, затем cross_entropy",
    "sigmoid before softmax": "sigmoid, затем cross_entropy",
    "sigmoid twice": "sigmoid, затем binary_cross_entropy_with_logits",
    "softmax before sigmoid": "softmax, затем binary_cross_entropy_with_logits",
}


class Message(NamedTuple):
    """One kind of finding in one language. ``causes`` are separated by ``|``, the likeliest first."""

    title: str
    seen: str
    causes: str
    test: str
    cure: str


class Kind(NamedTuple):
    """One kind of finding: its group, the page of the book, and its words."""

    group: str
    section: str
    ru: Message
    en: Message


MESSAGES: dict[str, Kind] = {
    "bad-batch": Kind(
        "forward",
        "diagnosis",
        Message(
            "На вход пришло не число",
            "во входных данных прохода {batch} есть {what}; модель тут ни при чём",
            "пропуски в данных|деление на нулевое отклонение при нормировке|повреждённый файл",
            "проверьте x.isfinite().all() до вызова модели и найдите номер строки",
            "исправьте или выбросьте такие строки; нормируйте с ε под корнем",
        ),
        Message(
            "The input is not finite",
            "the input of forward pass {batch} holds {what}; the model is not to blame",
            "missing values in the data|division by a zero deviation when normalising|a damaged file",
            "check x.isfinite().all() before the model is called, and find the row",
            "mend or drop such rows; normalise with an epsilon under the root",
        ),
    ),
    "bad-weights": Kind(
        "forward",
        "diagnosis",
        Message(
            "Веса испорчены раньше",
            "в модуле не числа уже в весах, а вход был конечен",
            "веса испортил один из прежних шагов оптимизатора|испорчена загруженная контрольная точка",
            "запишите каждый шаг (every=1): первый плохой шаг назовёт себя сам",
            "вернитесь к последней здоровой контрольной точке и найдите шаг, на котором всё началось",
        ),
        Message(
            "The weights were broken before",
            "the weights of this module are not finite, its input was",
            "an earlier step of the optimiser broke them|the loaded checkpoint is broken",
            "record every step (every=1): the first bad step will show itself",
            "go back to the last healthy checkpoint and find the step where it began",
        ),
    ),
    "masked-row": Kind(
        "forward",
        "diagnosis",
        Message(
            "Softmax строки, в которой закрыто всё",
            "softmax дал {what} из строки одних −∞; выше по сети значения конечны до «{healthy}»",
            "маска дополнения вместе с причинной маской закрывает строку целиком|пустая последовательность в пакете",
            "найдите строку: mask.all(-1).any()",
            "пусть каждая позиция видит хотя бы себя; либо need_weights=False, "
            "либо большое отрицательное число вместо −∞",
        ),
        Message(
            "Softmax of a row that is masked throughout",
            "softmax gave {what} from a row of minus infinities; values are finite up to «{healthy}»",
            "padding mask and causal mask together close a whole row|an empty sequence in the batch",
            "find the row: mask.all(-1).any()",
            "let every position see at least itself; or need_weights=False; or a large negative number for -inf",
        ),
    ),
    "bad-target": Kind(
        "forward",
        "diagnosis",
        Message(
            "Не число среди правильных ответов",
            "выход модели конечен, а в потерю вошло не число извне модели",
            "пропуск в ответах|не число в маске или в весах классов",
            "проверьте y.isfinite().all()",
            "исправьте ответы или исключите их маской до вычисления, а не умножением на ноль",
        ),
        Message(
            "Not a number among the targets or weights of the loss",
            "the model's output is finite, and the loss was given a non-finite value from elsewhere",
            "a missing target|a non-finite value in a mask or in class weights",
            "check y.isfinite().all()",
            "mend the targets, or leave them out before the computation: zero times nan is nan",
        ),
    ),
    "bad-constant": Kind(
        "forward",
        "diagnosis",
        Message(
            "Не число в постоянном тензоре",
            "операция получила {what} из тензора, который модель не вычисляла",
            "маска из −∞ попала в сложение или умножение|буфер или таблица с не числом",
            "проверьте буферы: all(b.isfinite().all() for b in model.buffers())",
            "исправьте тензор; маску накладывайте через masked_fill перед softmax",
        ),
        Message(
            "Not a number in a constant tensor",
            "the operation was given {what} by a tensor that the model did not compute",
            "a mask of -inf went into a sum or product|a buffer or table holds a non-finite value",
            "check the buffers: all(b.isfinite().all() for b in model.buffers())",
            "mend the tensor; apply masks with masked_fill before softmax",
        ),
    ),
    "empty-mean": Kind(
        "forward",
        "diagnosis",
        Message(
            "Среднее по пустому множеству: 0/0",
            "все модули дали конечные значения, а при подсчёте потери поделили на нуль",
            "в пакете нет ни одной размеченной позиции|маска обнулила весь пакет",
            "на этом шаге напечатайте mask.sum()",
            "делите на max(число, 1) или пропустите пакет; отсечение не поможет: nan остаётся nan",
        ),
        Message(
            "Mean over nothing: 0/0",
            "every module gave out finite values, and the loss divided by zero",
            "no position of the batch is labelled|the mask closes the whole batch",
            "print mask.sum() at this step",
            "divide by max(count, 1) or skip the batch; clipping does not help: nan stays nan",
        ),
    ),
    "half-overflow": Kind(
        "format",
        "precision",
        Message(
            "Значение не помещается в float16",
            "наибольшее число на входе {largest}, на выходе {what}; предел float16 — 65504",
            "активации больше предела формата|сумма или сумма квадратов внутри операции переполнилась",
            "повторите этот шаг в bfloat16 или float32: значения станут конечны",
            "bfloat16, либо этот модуль (или остаточный поток) в float32; отсечение градиента не поможет",
        ),
        Message(
            "A value does not fit float16",
            "the largest value that entered is {largest}, and {what} came out; float16 ends at 65504",
            "activations beyond the limit of the format|a sum or a sum of squares inside the operation overflowed",
            "repeat this step in bfloat16 or float32: the values become finite",
            "bfloat16, or this module (or the residual stream) in float32; clipping the gradient does not help",
        ),
    ),
    "exp-overflow": Kind(
        "forward",
        "diagnosis",
        Message(
            "Экспонента переполнилась",
            "exp дала {what}: показатель больше 88,7 (для float32)",
            "логарифм дисперсии ничем не ограничен|вход сети не нормирован|шаг обучения слишком велик",
            "посмотрите на наибольший показатель на шаге 1: если велик сразу, виноваты данные или инициализация",
            "ограничьте показатель (clamp(-30, 20)) и нормируйте данные; logsumexp вместо log(sum(exp))",
        ),
        Message(
            "An exponential overflowed",
            "exp gave {what}: its argument exceeds 88.7 (in float32)",
            "the log-variance is not bounded|the input is not normalised|the learning rate is too high",
            "look at the largest argument at step 1: if large at once, data or initialisation are to blame",
            "bound the argument (clamp(-30, 20)) and scale the data; logsumexp for log(sum(exp))",
        ),
    ),
    "singular-forward": Kind(
        "forward",
        "diagnosis",
        Message(
            "Операция вне своей области",
            "{operation} дала {what}; её аргумент: {got}",
            "логарифм нуля или отрицательного числа|корень из отрицательного|деление на нуль|acos вне [−1, 1]",
            "напечатайте наименьший и наибольший аргумент этой операции",
            "ограничьте аргумент до операции или возьмите устойчивую форму (log_softmax, log1p, softplus)",
        ),
        Message(
            "An operation outside its domain",
            "{operation} gave {what}; its argument: {got}",
            "logarithm of zero or of a negative number|root of a negative number|division by zero|acos outside [-1, 1]",
            "print the smallest and the largest argument of this operation",
            "bound the argument before the operation, or use the stable form (log_softmax, log1p, softplus)",
        ),
    ),
    "overflow-forward": Kind(
        "growth",
        "exploding",
        Message(
            "Значения выросли за пределы формата",
            "вошло не больше {largest}, вышло {what} ({dtype}); последний здоровый модуль «{healthy}»",
            "активации растут от слоя к слою|веса разошлись за прошлые шаги: шаг обучения велик|вход не нормирован",
            "если это шаг 1, виновата инициализация или вход; если норма росла по шагам — шаг обучения",
            "инициализация, сохраняющая дисперсию, нормировка, меньший шаг обучения или разогрев",
        ),
        Message(
            "Values outgrew the format",
            "no more than {largest} entered and {what} came out ({dtype}); last healthy module «{healthy}»",
            "activations grow from layer to layer|the weights diverged: the "
            "learning rate is too high|inputs not scaled",
            "at step 1 initialisation or input are to blame; if the norms grew over the steps, the learning rate",
            "an initialisation that keeps the variance, normalisation, a smaller learning rate or warm-up",
        ),
    ),
    "nonfinite-forward": Kind(
        "forward",
        "diagnosis",
        Message(
            "Прямой проход дал не число",
            "здесь впервые вышло {what} из конечных значений (операция: {operation})",
            "∞ − ∞ или 0 · ∞ внутри модуля|особая точка собственной функции|переполнение внутри операции",
            "вызовите этот модуль отдельно на том же входе и проверьте каждую строку его forward",
            "замените операцию на устойчивую или ограничьте её вход",
        ),
        Message(
            "The forward pass gave a non-finite value",
            "here {what} first came out of finite values (operation: {operation})",
            "inf - inf or 0 * inf inside the module|a singular point of a custom function|overflow inside an operation",
            "call this module alone on the same input and check every line of its forward",
            "use a stable form of the operation, or bound its input",
        ),
    ),
    "decomposition": Kind(
        "backward",
        "diagnosis",
        Message(
            "Производная разложения матрицы при равных числах",
            "потеря конечна ({loss}), а {operation} вернула назад {what}",
            "равные или нулевые сингулярные (собственные) числа: в производной стоит 1/(sᵢ² − sⱼ²)",
            "напечатайте разности соседних чисел",
            "берите функции самих чисел (svdvals, нормы) или полярный множитель по Ньютону, а не векторы",
        ),
        Message(
            "Derivative of a decomposition at equal values",
            "the loss is finite ({loss}), and {operation} sent back {what}",
            "equal or zero singular values (eigenvalues): the derivative holds 1/(s_i^2 - s_j^2)",
            "print the differences of neighbouring values",
            "use functions of the values (svdvals, norms) or the polar factor by Newton iteration, not the vectors",
        ),
    ),
    "behind-where": Kind(
        "backward",
        "diagnosis",
        Message(
            "Особая точка за where",
            "потеря конечна ({loss}), а {operation} вернула {what}: 0 · ∞ в ветви, которую where отбросил",
            "where выбирает значения, но назад идёт через обе ветви",
            "замените аргумент до операции: where(x > 0, x, 1)",
            "двойной where: безопасный аргумент внутри операции и выбор снаружи",
        ),
        Message(
            "A singular point behind where",
            "the loss is finite ({loss}), and {operation} sent back {what}: 0 * inf in the branch that where dropped",
            "where selects values, but the gradient runs through both branches",
            "replace the argument before the operation: where(x > 0, x, 1)",
            "where twice: a safe argument inside the operation and the choice outside",
        ),
    ),
    "singular-backward": Kind(
        "backward",
        "diagnosis",
        Message(
            "Бесконечная производная",
            "потеря конечна ({loss}), а {operation} вернула назад {what}",
            "корень, норма или степень в нуле|acos или asin в ±1|логарифм или деление около нуля|std постоянной",
            "напечатайте наименьший модуль аргумента этой операции",
            "ε под корнем (после корня поздно), linalg.vector_norm, clamp аргумента; отсечение не поможет",
        ),
        Message(
            "An infinite derivative",
            "the loss is finite ({loss}), and {operation} sent back {what}",
            "root, norm or power at zero|acos or asin at ±1|logarithm or division near zero|std of a constant",
            "print the smallest absolute argument of this operation",
            "epsilon under the root (after it is too late), linalg.vector_norm, clamp; clipping does not help",
        ),
    ),
    "half-gradient": Kind(
        "format",
        "precision",
        Message(
            "Градиент не помещается в float16",
            "потеря конечна ({loss}), масштаб {scale}, а {operation} вернула {what}",
            "масштаб потери слишком велик|норма или квадрат считается в float16",
            "уменьшите масштаб в 2¹⁰ раз: если inf исчезла, дело в нём",
            "GradScaler с меньшим init_scale, нормы и потеря в float32 или bfloat16",
        ),
        Message(
            "The gradient does not fit float16",
            "the loss is finite ({loss}), the scale {scale}, and {operation} sent back {what}",
            "the loss scale is too large|a norm or a square is computed in float16",
            "make the scale 2^10 times smaller: if the inf is gone, it was the scale",
            "a GradScaler with a smaller init_scale, norms and loss in float32, or bfloat16",
        ),
    ),
    "overflow-backward": Kind(
        "backward",
        "exploding",
        Message(
            "Обратный проход дал не число",
            "потеря конечна ({loss}), а {operation} вернула назад {what}; выше здоров «{healthy}»",
            "градиент растёт от слоя к слою|особая точка собственной функции|переполнение произведения",
            "посмотрите, росла ли норма градиента от выхода к этому месту",
            "инициализация и нормировка, если росла; иначе — устойчивая форма этой операции",
        ),
        Message(
            "The backward pass gave a non-finite value",
            "the loss is finite ({loss}), and {operation} sent back {what}; above it «{healthy}» is healthy",
            "the gradient grows from layer to layer|a singular point of a custom function|overflow of a product",
            "see whether the gradient's norm grew from the output to this place",
            "initialisation and normalisation if it grew; else a stable form of this operation",
        ),
    ),
    "eps-rounded": Kind(
        "format",
        "precision",
        Message(
            "ε оптимизатора округляется до нуля",
            "градиент конечен ({gradient}), веса {dtype}, ε = {eps}: в этом формате это 0, и шаг — деление на 0",
            "веса и состояние оптимизатора в float16|ε меньше 6·10⁻⁸",
            "torch.tensor(eps, dtype=torch.float16) равно 0",
            "веса в float32 и autocast; в крайнем случае eps=1e-4",
        ),
        Message(
            "The optimiser's eps is rounded to zero",
            "the gradient is finite ({gradient}), the weights are {dtype}, eps = {eps} is 0 there: a division by 0",
            "weights and state of the optimiser in float16|eps below 6e-8",
            "torch.tensor(eps, dtype=torch.float16) is 0",
            "float32 weights with autocast; failing that eps=1e-4",
        ),
    ),
    "broken-update": Kind(
        "loop",
        "diagnosis",
        Message(
            "Веса испортил шаг оптимизатора",
            "градиент конечен ({gradient}), веса были конечны, после шага — нет; шаг обучения {rate}",
            "шаг обучения огромен или не число (расписание)|квадрат градиента переполнил состояние Adam|ε = 0",
            "напечатайте lr группы и наибольший элемент градиента на этом шаге",
            "проверьте расписание на первых шагах; отсечение до шага; состояние в float32",
        ),
        Message(
            "The optimiser's step broke the weights",
            "the gradient is finite ({gradient}), the weights were, and are not after the step; learning rate {rate}",
            "the learning rate is huge or nan (schedule)|the squared gradient overflowed Adam's state|eps = 0",
            "print the group's lr and the largest element of the gradient at this step",
            "check the schedule's first steps; clip before the step; keep the state in float32",
        ),
    ),
    "clip-overflow": Kind(
        "format",
        "exploding",
        Message(
            "Отсечение молча обнулило градиент",
            "норма градиента {norm} конечна, но сумма квадратов во float32 бесконечна: множитель стал нулём",
            "сумма квадратов переполнилась|градиент взорвался",
            "clip_grad_norm_(…, error_if_nonfinite=True) остановит цикл на этом шаге",
            "error_if_nonfinite=True и пропуск шага; норма через наибольший элемент; найти, почему градиент так велик",
        ),
        Message(
            "Clipping silently zeroed the gradient",
            "the gradient's norm {norm} is finite, but its sum of squares overflows float32: the factor became zero",
            "the sum of squares overflowed|the gradient exploded",
            "clip_grad_norm_(..., error_if_nonfinite=True) stops the loop at this step",
            "error_if_nonfinite=True and skip the step; the norm by the largest element; find why it is so large",
        ),
    ),
    "clip-before-unscale": Kind(
        "loop",
        "precision",
        Message(
            "Отсечение до unscale_",
            "масштаб {scale}; норма до отсечения {raw}, в оптимизатор пришло "
            "{stepped}: порог {limit} поделён на масштаб",
            "clip_grad_norm_ видит градиент, умноженный на масштаб",
            "без отсечения потеря падает",
            "scaler.unscale_(optimizer) перед clip_grad_norm_",
        ),
        Message(
            "Clipping before unscale_",
            "scale {scale}; norm before clipping {raw}, the optimiser got "
            "{stepped}: the threshold {limit} over the scale",
            "clip_grad_norm_ sees the gradient times the scale",
            "without clipping the loss falls",
            "scaler.unscale_(optimizer) before clip_grad_norm_",
        ),
    ),
    "clip-every-part": Kind(
        "loop",
        "diagnosis",
        Message(
            "Отсечение на каждой части пакета",
            "между обратными проходами одного шага накопленный градиент уменьшили ({steps} шагов)",
            "clip_grad_norm_ стоит внутри цикла по частям: первые части забываются",
            "сравните с одним отсечением прямо перед optimizer.step()",
            "отсекать один раз, после последней части",
        ),
        Message(
            "Clipping at every micro-batch",
            "between the backward passes of one step the accumulated gradient was made smaller ({steps} steps)",
            "clip_grad_norm_ stands inside the loop over micro-batches: the first ones are forgotten",
            "compare with one clipping right before optimizer.step()",
            "clip once, after the last micro-batch",
        ),
    ),
    "skipped-steps": Kind(
        "loop",
        "precision",
        Message(
            "GradScaler пропускает шаги",
            "{skipped} шагов из {steps} без optimizer.step(): градиент не число при любом масштабе (сейчас {scale})",
            "inf или nan рождается не от масштаба, а в самой сети (log 0, корень из нуля)|масштаб упал до нуля",
            "печатайте scaler.get_scale(): если падает без конца, виноват не масштаб",
            "исправить источник (см. другие находки), например log_softmax вместо log(softmax)",
        ),
        Message(
            "GradScaler skips steps",
            "{skipped} of {steps} steps without optimizer.step(): the gradient is "
            "not finite at any scale (now {scale})",
            "inf or nan does not come from the scale but from the network (log 0, root of 0)|the scale fell to zero",
            "print scaler.get_scale(): if it falls for ever, it is not the scale",
            "mend the source (see the other findings), as log_softmax for log(softmax)",
        ),
    ),
    "kept-gradients": Kind(
        "loop",
        "diagnosis",
        Message(
            "Градиенты прошлых шагов не обнулены",
            "на {steps} шагах к началу обратного прохода в .grad лежал градиент прошлого шага",
            "нет optimizer.zero_grad()|zero_grad стоит у другого оптимизатора",
            "перед loss.backward() все p.grad должны быть None или 0",
            "optimizer.zero_grad() после каждого шага",
        ),
        Message(
            "Gradients of earlier steps are not cleared",
            "in {steps} steps the gradient of the step before lay in .grad when the backward pass began",
            "optimizer.zero_grad() is missing|it is called on another optimiser",
            "before loss.backward() every p.grad is None or 0",
            "optimizer.zero_grad() after every step",
        ),
    ),
    "kept-graph": Kind(
        "loop",
        "bptt",
        Message(
            "Состояние тянет за собой весь граф",
            "операций в графе: {first} на первом шаге, {last} на последнем",
            "состояние переходит из пакета в пакет без detach()|retain_graph=True "
            "прячет ошибку|в список копятся потери с графом",
            "число операций не должно расти от шага к шагу",
            "h = h.detach() между пакетами; loss.item() вместо loss в журнале",
        ),
        Message(
            "The state drags the whole graph along",
            "operations in the graph: {first} at the first step, {last} at the last",
            "the state passes from batch to batch without "
            "detach()|retain_graph=True hides it|losses are kept with their graph",
            "the number of operations must not grow from step to step",
            "h = h.detach() between batches; loss.item() for the log",
        ),
    ),
    "no-gradient": Kind(
        "loop",
        "diagnosis",
        Message(
            "Параметр никогда не получает градиента",
            "оптимизатор держит «{name}», но ни один обратный проход до него не дошёл",
            "граф разорван: detach(), no_grad(), .item(), argmax, преобразование в numpy|модуль не участвует в forward",
            "p.grad is None после backward; вызван ли модуль вообще",
            "убрать разрыв или сам параметр; для дискретного выбора — сквозная оценка",
        ),
        Message(
            "A parameter never gets a gradient",
            "the optimiser holds «{name}», and no backward pass ever led to it",
            "the graph is cut: detach(), no_grad(), .item(), argmax, numpy|the module takes no part in forward",
            "p.grad is None after backward; is the module called at all",
            "take away the cut, or the parameter; a straight-through estimate for a discrete choice",
        ),
    ),
    "unregistered": Kind(
        "loop",
        "diagnosis",
        Message(
            "Слои не зарегистрированы в модели",
            "{count} параметров (первый — «{name}») работают в forward, но их нет в model.parameters()",
            "слои лежат в обычном списке или словаре|параметр — обычный тензор",
            "len(list(model.parameters())) меньше, чем слоёв",
            "nn.ModuleList, nn.ModuleDict, nn.ParameterList",
        ),
        Message(
            "Layers are not registered in the model",
            "{count} parameters (the first: «{name}») work in forward and are not in model.parameters()",
            "the layers lie in a plain list or dict|a parameter is a plain tensor",
            "len(list(model.parameters())) is less than the layers have",
            "nn.ModuleList, nn.ModuleDict, nn.ParameterList",
        ),
    ),
    "not-optimised": Kind(
        "loop",
        "diagnosis",
        Message(
            "Параметров нет в оптимизаторе",
            "{count} параметров из {all} (первый — «{name}») получают градиент, но не стоят ни в одной группе",
            "оптимизатор создан раньше слоя|модель пересоздана или перенесена "
            "после создания оптимизатора|забыта группа",
            "сравните id(p) модели и групп оптимизатора",
            "создать оптимизатор после модели; add_param_group; заморозить явно, если так задумано",
        ),
        Message(
            "Parameters are not in the optimiser",
            "{count} parameters of {all} (the first: «{name}») get a gradient and stand in no group",
            "the optimiser was made before the layer|the model was made anew after the optimiser|a group was forgotten",
            "compare id(p) of the model and of the optimiser's groups",
            "make the optimiser after the model; add_param_group; freeze openly if it is meant so",
        ),
    ),
    "lost-updates": Kind(
        "format",
        "precision",
        Message(
            "Шаги теряются при округлении",
            "в {count} матрицах ({dtype}) до {share} весов с ненулевым градиентом после шага не изменились",
            "веса хранятся в 8 или 11 битах: шаг меньше 0,4 % веса исчезает|шаг обучения мал для этого формата",
            "в float32 та же сеть учится",
            "веса в float32 и autocast вместо .to(bfloat16); сумма Кэхэна или случайное округление",
        ),
        Message(
            "Updates are rounded away",
            "in {count} matrices ({dtype}) up to {share} of the weights with a gradient did not change in a step",
            "weights of 8 or 11 bits: a step below 0.4 % of the weight is lost|the "
            "learning rate is small for this format",
            "in float32 the same network learns",
            "float32 weights with autocast for .to(bfloat16); Kahan summation or stochastic rounding",
        ),
    ),
    "rate-too-high": Kind(
        "growth",
        "exploding",
        Message(
            "Шаг обучения слишком велик",
            "потеря выросла в {growth} раз; шаг до {update} от самих весов при lr = {rate}",
            "lr больше 2/кривизна|нет разогрева|обрыв: градиент на одном пакете огромен",
            "на шаге 1 градиент по слоям ровный, а нормы растут во всех слоях сразу",
            "меньше lr или разогрев; отсечение превратит расходимость в шум размера lr · порог",
        ),
        Message(
            "The learning rate is too high",
            "the loss grew by {growth}; a step is up to {update} of the weights themselves at lr = {rate}",
            "lr exceeds 2/curvature|no warm-up|a cliff: one batch has a huge gradient",
            "at step 1 the gradient is even over the layers, and the norms grow in all layers at once",
            "a smaller lr or warm-up; clipping turns divergence into noise of size lr * threshold",
        ),
    ),
    "rate-too-low": Kind(
        "learning",
        "diagnosis",
        Message(
            "Шаги слишком малы",
            "наибольший шаг — {update} от весов при lr = {rate}, хотя градиент есть",
            "lr мал или обнулён расписанием|порог отсечения мал",
            "увеличьте lr в 100 раз на 50 шагов",
            "lr, при котором шаг — около 10⁻³ весов",
        ),
        Message(
            "The steps are too small",
            "the largest step is {update} of the weights at lr = {rate}, although there is a gradient",
            "lr is small or set to zero by the schedule|the gradient is clipped to a small threshold",
            "try lr times 100 for 50 steps",
            "an lr at which a step is about 1e-3 of the weights",
        ),
    ),
    "softmax-twice": Kind(
        "learning",
        "diagnosis",
        Message(
            "Softmax или сигмоида применена дважды",
            "её применяют к тому, что через неё уже прошло ({pattern})",
            "cross_entropy и BCEWithLogits ждут логиты, а модель отдаёт вероятности",
            "последний слой модели — softmax или sigmoid?",
            "убрать softmax (sigmoid) из модели; для log-вероятностей — nll_loss",
        ),
        Message(
            "Softmax or sigmoid is applied twice",
            "the loss applies it to what has gone through it already ({pattern})",
            "cross_entropy and BCEWithLogits expect logits, and the model gives probabilities",
            "is the last layer of the model softmax or sigmoid?",
            "take softmax (sigmoid) out of the model; nll_loss for log-probabilities",
        ),
    ),
    "log-of-sigmoid": Kind(
        "learning",
        "diagnosis",
        Message(
            "Логарифм насыщенной сигмоиды",
            "у {saturated} ответов сигмоида равна 0 или 1 до последнего бита; потеря {loss} стоит",
            "BCELoss после sigmoid: наклон ровно нуль, а логарифм обрезан на −100|вход не центрирован",
            "распечатайте логиты: больше 17 во float32 — это уже ровно 1",
            "BCEWithLogitsLoss по логитам; нормировать вход",
        ),
        Message(
            "Logarithm of a saturated sigmoid",
            "for {saturated} of the answers the sigmoid is 0 or 1 to the last bit; the loss {loss} stands still",
            "BCELoss after sigmoid: the slope is exactly zero and the log is cut at -100|the input is not centred",
            "print the logits: above 17 float32 knows only 1",
            "BCEWithLogitsLoss on logits; scale the input",
        ),
    ),
    "dead-units": Kind(
        "learning",
        "deep_networks",
        Message(
            "Мёртвые нейроны",
            "{share} нейронов слоя дают нуль на всём пакете",
            "слишком большой шаг увёл смещения в минус|отрицательное начальное смещение|вход не центрирован",
            "мертвы ли они на шаге 1 (инициализация) или умерли позже (шаг обучения)",
            "меньше lr, инициализация He с нулевым смещением, LeakyReLU или GELU",
        ),
        Message(
            "Dead units",
            "{share} of the layer's units are zero for the whole batch",
            "a step too large drove the biases below zero|a negative initial bias|the input is not centred",
            "dead at step 1 (initialisation), or died later (learning rate)",
            "a smaller lr, He initialisation with zero bias, LeakyReLU or GELU",
        ),
    ),
    "saturation": Kind(
        "learning",
        "deep_networks",
        Message(
            "Насыщение",
            "{share} значений слоя лежит у краёв sigmoid или tanh: наклон там почти нуль",
            "веса при инициализации велики|вход не нормирован|шаг обучения увёл веса далеко",
            "насыщен ли слой на шаге 1",
            "инициализация Глоро, нормировка входа, LayerNorm перед нелинейностью",
        ),
        Message(
            "Saturation",
            "{share} of the layer's values lie at the ends of sigmoid or tanh, where the slope is almost zero",
            "the initial weights are large|the input is not scaled|the learning rate drove the weights far out",
            "is the layer saturated at step 1",
            "Glorot initialisation, scaled inputs, LayerNorm before the nonlinearity",
        ),
    ),
    "zero-gradient": Kind(
        "learning",
        "normalization",
        Message(
            "Градиент ровно нуль",
            "все градиенты — точные нули; обнулила их операция {operation}",
            "clamp, round, sign или argmax|нормировка, за которой стоит "
            "сумма|нулевые веса следующего слоя|маска закрыла всё",
            "есть ли у этой операции наклон в данной точке",
            "сквозная оценка или гладкая замена; другой выход после нормировки; ненулевая инициализация",
        ),
        Message(
            "The gradient is exactly zero",
            "every gradient is an exact zero; the operation {operation} made it so",
            "clamp, round, sign or argmax|a normalisation followed by a sum|zero "
            "weights of the next layer|all is masked",
            "does this operation have a slope at this point",
            "a straight-through estimate or a smooth form; another output after the norm; a nonzero initialisation",
        ),
    ),
    "zero-weights": Kind(
        "learning",
        "deep_networks",
        Message(
            "Нулевые веса",
            "матриц из одних нулей: {count}; градиент через них не проходит, и все нейроны одинаковы",
            "веса при инициализации обнулены|контрольная точка с нулями",
            "есть ли у двух нейронов слоя разные веса",
            "случайная инициализация; нулём можно начинать только последнюю матрицу остаточной ветви",
        ),
        Message(
            "Zero weights",
            "matrices of nothing but zeros: {count}; no gradient passes them, and all units are alike",
            "the weights were set to zero at the start|a checkpoint of zeros",
            "do two units of the layer have different weights",
            "a random initialisation; zero only for the last matrix of a residual branch",
        ),
    ),
    "vanishing-depth": Kind(
        "learning",
        "deep_networks",
        Message(
            "Градиент затухает по глубине",
            "градиент у «{first}» составляет {ratio} от градиента у «{last}» ({layers} модулей)",
            "веса малы для этой нелинейности|насыщение sigmoid или tanh|нет остаточных связей и нормировки",
            "убывает ровно от слоя к слою (веса) или в одном месте (насыщение, узкое место)",
            "инициализация He или Глоро, остаточные связи, нормировка; Adam прячет затухание, но не лечит",
        ),
        Message(
            "The gradient vanishes over depth",
            "the gradient at «{first}» is {ratio} of that at «{last}» ({layers} modules)",
            "weights too small for this nonlinearity|saturated sigmoid or tanh|no "
            "residual connections, no normalisation",
            "does it fall evenly from layer to layer (weights), or at one place (saturation, bottleneck)",
            "He or Glorot initialisation, residual connections, normalisation; Adam hides it and does not cure it",
        ),
    ),
    "explosion-depth": Kind(
        "growth",
        "deep_networks",
        Message(
            "Градиент взрывается по глубине",
            "градиент у «{first}» в {ratio} раз больше градиента у «{last}» ({layers} модулей)",
            "веса велики: усиление слоя больше единицы|нормировка после ReLU|сумма остаточных ветвей без множителя",
            "растёт ровно от слоя к слою (усиление) или в одном месте",
            "инициализация, сохраняющая дисперсию, ортогональные веса, нормировка; отсечение лечит шаг, а не сеть",
        ),
        Message(
            "The gradient explodes over depth",
            "the gradient at «{first}» is {ratio} times that at «{last}» ({layers} modules)",
            "weights too large: the gain of a layer exceeds one|normalisation after ReLU|unscaled residual branches",
            "does it grow evenly from layer to layer (gain), or at one place",
            "an initialisation that keeps the variance, orthogonal weights, "
            "normalisation; clipping cures the step alone",
        ),
    ),
    "forget-gate": Kind(
        "learning",
        "gates",
        Message(
            "LSTM забывает: вентиль при инициализации открыт наполовину",
            "за {lag} шагов градиент уменьшается до {ratio}; вентиль забывания {gate}, память {memory} шага",
            "смещение вентиля забывания {bias} — память короче задачи|задача и не требует памяти",
            "решает ли сеть ту же задачу с подсказкой в конце",
            "смещение ln(T − 1) только в одном из двух векторов смещения (порядок i, f, g, o)",
        ),
        Message(
            "The LSTM forgets: its gate is half open at the start",
            "over {lag} steps the gradient falls to {ratio}; forget gate {gate}, memory {memory} steps",
            "the forget bias {bias}: a memory shorter than the task|the task needs no memory",
            "does the network solve the same task with the clue at the end",
            "bias ln(T - 1), in one of the two bias vectors only (order i, f, g, o)",
        ),
    ),
    "vanishing-lag": Kind(
        "learning",
        "bptt",
        Message(
            "Градиент затухает по времени",
            "за {lag} шагов градиент уменьшается до {ratio}",
            "спектральный радиус меньше единицы или насыщение tanh|вентили забывают|задача и не требует памяти",
            "решает ли сеть ту же задачу с подсказкой в конце",
            "ортогональные рекуррентные веса, вентили с большим смещением, внимание",
        ),
        Message(
            "The gradient vanishes over time",
            "over {lag} steps the gradient falls to {ratio}",
            "spectral radius below one, or saturated tanh|the gates forget|the task needs no memory",
            "does the network solve the same task with the clue at the end",
            "orthogonal recurrent weights, gates with a large bias, attention",
        ),
    ),
    "explosion-lag": Kind(
        "growth",
        "exploding",
        Message(
            "Градиент взрывается по времени",
            "за {lag} шагов градиент вырастает в {ratio} раз",
            "рекуррентные веса усиливают: состояние ничем не ограничено (ReLU, проекция)|шаг увёл веса за обрыв",
            "велик ли рост на шаге 1 (инициализация) или появился позже (шаг обучения)",
            "отсечение с порогом ниже обычной нормы, error_if_nonfinite; ортогональные веса; меньший lr",
        ),
        Message(
            "The gradient explodes over time",
            "over {lag} steps the gradient grows by {ratio}",
            "the recurrent weights amplify: the state is unbounded (ReLU, projection)|a step went over the cliff",
            "is the growth there at step 1 (initialisation), or did it come later (learning rate)",
            "clipping below the usual norm, error_if_nonfinite; orthogonal weights; a smaller lr",
        ),
    ),
    "growing-stream": Kind(
        "growth",
        "normalization",
        Message(
            "Остаточный поток растёт",
            "за {blocks} блоков норма выросла в {ratio} раз",
            "дисперсии ветвей складываются, а саму сумму никто не нормирует",
            "доля ветви в потоке падает с глубиной",
            "последнюю матрицу каждой ветви умножить на 1/√(число ветвей)",
        ),
        Message(
            "The residual stream grows",
            "over {blocks} blocks the norm grew by {ratio}",
            "the variances of the branches add up, and the sum itself is never normalised",
            "the share of a branch in the stream falls with depth",
            "scale the last matrix of every branch by 1/sqrt(number of branches)",
        ),
    ),
    "no-warmup": Kind(
        "learning",
        "normalization",
        Message(
            "Трансформер без разогрева",
            "первые шаги сдвигали веса на {update} от них самих; потеря {loss}, у постоянного ответа {constant}",
            "первые шаги Adam без разогрева слишком велики, post-LN насытился|lr велик",
            "тот же запуск с разогревом или с norm_first=True",
            "разогрев lr, pre-LN (norm_first=True) или меньший lr",
        ),
        Message(
            "A transformer without warm-up",
            "the first steps moved the weights by {update} of themselves; loss {loss}, of a constant answer {constant}",
            "Adam's first steps are too large without warm-up, the post-LN stack collapsed|lr too high",
            "the same run with warm-up or with norm_first=True",
            "warm up the lr, pre-LN (norm_first=True), or a smaller lr",
        ),
    ),
    "constant-answer": Kind(
        "learning",
        "diagnosis",
        Message(
            "Сеть отвечает одно и то же",
            "разброс ответов по пакету {spread}, потеря {loss}, у постоянного ответа {constant}",
            "слои выше потеряли вход (насыщение, нули, схлопывание)|ответы не связаны со входом|lr велик",
            "переобучите на одном пакете: не выходит — виновата сеть, выходит — данные",
            "найти первый модуль без разброса; нормировка, меньший lr; проверить, что ответы стоят у своих входов",
        ),
        Message(
            "The network gives one answer to all",
            "spread of the answers over the batch {spread}, loss {loss}, of a constant answer {constant}",
            "the layers lose the input (saturation, zeros, collapse)|targets do not belong to inputs|lr too high",
            "overfit one batch: if it fails, it is the network; if not, the data",
            "find the first module without spread; normalise, smaller lr; check that targets match their inputs",
        ),
    ),
    "unscaled-input": Kind(
        "loop",
        "diagnosis",
        Message(
            "Вход не нормирован",
            "среднеквадратичное входа {rms}, среднее больше отклонения в {offset} раз",
            "признаки в исходных единицах|картинки 0…255|забыта нормировка при загрузке",
            "вычтите среднее и поделите на отклонение: исчезнет ли болезнь",
            "нормировать по обучающей выборке",
        ),
        Message(
            "The input is not scaled",
            "root mean square of the input {rms}, mean over deviation {offset}",
            "features in raw units|images of 0…255|normalisation forgotten when loading",
            "subtract the mean, divide by the deviation: is the illness gone",
            "scale by the training set",
        ),
    ),
}


def formatted(value: float | str, lang: str) -> str:
    """A number with three significant digits, with the language's decimal mark."""
    if isinstance(value, str):
        return RUSSIAN.get(value, value) if lang == "ru" else value
    if isinstance(value, int) and abs(value) < 10**6:
        return str(value)
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.3g}"
    return text.replace(".", ",") if lang == "ru" else text


def require_language(lang: object) -> str:
    """Return ``lang`` if there are words in it."""
    if lang not in LANGUAGES:
        raise ValueError(f"lang: expected one of {', '.join(LANGUAGES)}, got {lang!r}")
    return str(lang)
