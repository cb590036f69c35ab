"""Adam that reads bf16 gradients, and writes fp32 weights and their bf16 copies at once."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from imtrans.training.step.optimizer import FusedAdam, in_memory_order

Update = Callable[..., None]


class ShadowAdam(FusedAdam):
    """For weights of which some have copies in bf16 (`imtrans.training.step.shadows`).

    All of an update is one function over lists of tensors. Compiled, it reads and writes each
    number once; uncompiled it computes the same in as many kernels as there are operations.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        rate: float,
        betas: tuple[float, float],
        *,
        capturable: bool = False,
        compiled: bool = False,
    ) -> None:
        super().__init__(parameters, rate, betas, capturable=capturable)
        self._betas = betas
        self._rate = torch.tensor(rate, device=self.parameters[0].device)
        self._shadows: Sequence[nn.Parameter | None] = [None] * len(self.parameters)
        self._descend: Update = torch.compile(descend, dynamic=False) if compiled else descend

    def shadow(self, shadows: Mapping[int, nn.Parameter | None]) -> None:
        self._shadows = [shadows.get(id(parameter)) for parameter in self.parameters]

    def forget_gradients(self) -> None:
        super().forget_gradients()
        for shadow in self._shadows:
            if shadow is not None:
                shadow.grad = None

    def pop_gradients(self) -> dict[str, Tensor]:
        rows = zip(self.names, self._learning(), strict=True)
        found = {name: p.grad.float() for name, p in rows if p.grad is not None}
        self.forget_gradients()
        return found

    def _learning(self) -> list[nn.Parameter]:
        """Where the gradient of each parameter arrives."""
        rows = zip(self.parameters, self._shadows, strict=True)
        return [parameter if shadow is None else shadow for parameter, shadow in rows]

    def set_rate(self, rate: float) -> None:
        if rate != self.rate:
            self._rate.fill_(rate)
        super().set_rate(rate)

    @torch.no_grad()
    def update(self) -> None:
        rows = [
            (updated, self._in_order(one.grad, parameter), shadow)
            for updated, one, parameter, shadow in zip(
                self._updated, self._learning(), self.parameters, self._shadows, strict=True
            )
            if one.grad is not None
        ]
        states = [self._state_of(updated) for updated, _, _ in rows]
        copied = [(updated, shadow) for updated, _, shadow in rows if shadow is not None]
        self._descend(
            [updated for updated, _, _ in rows],
            [gradient for _, gradient, _ in rows],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [state["step"] for state in states],
            self._rate,
            *self._betas,
            self.adam.param_groups[0]["eps"],
            [updated for updated, _ in copied],
            [in_memory_order(shadow.detach()) for _, shadow in copied],
        )

    def _in_order(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        return in_memory_order(self.laid_out(gradient, parameter))

    def _state_of(self, updated: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.adam.state[updated]
        if not state:
            state["step"] = torch.zeros((), device=updated.device)
            state["exp_avg"] = torch.zeros_like(updated)
            state["exp_avg_sq"] = torch.zeros_like(updated)
        return state


def descend(
    weights: list[Tensor],
    gradients: list[Tensor],
    firsts: list[Tensor],
    seconds: list[Tensor],
    steps: list[Tensor],
    rate: Tensor,
    beta1: float,
    beta2: float,
    eps: float,
    copied: list[Tensor],
    copies: list[Tensor],
) -> None:
    """Kingma and Ba 2015, algorithm 1, in place; then `copied`, which are weights, into `copies`.
    Gradients may have fewer bits than what they change."""
    torch._foreach_add_(steps, 1)
    torch._foreach_mul_(firsts, beta1)
    torch._foreach_add_(firsts, gradients, alpha=1 - beta1)
    torch._foreach_mul_(seconds, beta2)
    torch._foreach_addcmul_(seconds, gradients, gradients, value=1 - beta2)
    sizes = [rate / (1 - beta1**step) for step in steps]
    corrections = [(1 - beta2**step).sqrt() for step in steps]
    denominators = torch._foreach_div(torch._foreach_sqrt(seconds), corrections)
    torch._foreach_add_(denominators, eps)
    moves = torch._foreach_mul(torch._foreach_div(firsts, denominators), sizes)
    torch._foreach_sub_(weights, moves)
    if copies:
        torch._foreach_copy_(copies, copied)
