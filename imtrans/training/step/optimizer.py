"""Adam over named parameters, with a state that both engines write and read alike.

Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

MOMENTS = ("exp_avg", "exp_avg_sq")


class LoopAdam:
    """torch's own Adam, parameter by parameter: the reference.

    `clip_norm` bounds the L2 norm of the gradient of all parameters together.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        rate: float,
        betas: tuple[float, float],
        *,
        clip_norm: float | None = None,
    ) -> None:
        self.names, self.parameters = list(parameters), list(parameters.values())
        self._updated: Sequence[Tensor] = self.parameters
        self.clip_norm = clip_norm
        #: what makes the gradients the mean over ranks, where there are several
        self.averaging: Callable[[list[Tensor | None]], list[Tensor | None]] | None = None
        self.full_rate = self.rate = rate  # the recipe's, and that of now
        self.adam = self._made(rate, betas)

    def _made(self, rate: float, betas: tuple[float, float]) -> Adam:
        return Adam(self._updated, lr=rate, betas=betas)

    def descend(self, loss: Tensor) -> None:
        """One update down the gradient of a scalar."""
        self.forget_gradients()
        loss.backward()
        self.update()

    def forget_gradients(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def pop_gradients(self) -> dict[str, Tensor]:
        """The gradients gathered, by name; they are then forgotten."""
        rows = zip(self.names, self.parameters, strict=True)
        found = {name: p.grad for name, p in rows if p.grad is not None}
        self.forget_gradients()
        return found

    def update(self) -> None:
        """One update down the gradients gathered since they were forgotten."""
        if self.averaging is not None:
            means = self.averaging([parameter.grad for parameter in self.parameters])
            for parameter, mean in zip(self.parameters, means, strict=True):
                parameter.grad = mean
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self._hand_over_gradients()
        self.adam.step()

    def _hand_over_gradients(self) -> None:
        pass

    def set_rate(self, rate: float) -> None:
        if rate == self.rate:
            return
        self.rate = rate
        for group in self.adam.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)  # where a CUDA graph reads it
            else:
                group["lr"] = rate

    def state(self) -> dict[str, Tensor]:
        """The moments in the shape of their parameters, `PARAMETER/exp_avg`, and the steps taken.
        What has never had a gradient has none."""
        found = {}
        for name, parameter, updated in self._rows():
            moments = self.adam.state.get(updated, {})
            for key, value in moments.items():
                found[f"{name}/{key}"] = self._shaped(value, parameter) if value.dim() else value
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up the moments again, in place where there are some. Raises ValueError for another
        shape, KeyError for a part that is missing or belongs to nothing here."""
        if strange := {key.rpartition("/")[0] for key in state} - {*self.names}:
            raise KeyError(f"no parameter '{min(strange)}'")
        for name, parameter, updated in self._rows():
            keys = [key for key in ("step", *MOMENTS) if f"{name}/{key}" in state]
            if not keys:
                for value in self.adam.state.get(updated, {}).values():
                    value.zero_()  # as if it had never had a gradient
                continue
            for key in MOMENTS:
                if state[f"{name}/{key}"].shape != parameter.shape:
                    raise ValueError(f"'{name}/{key}' has another shape")
            loaded = {key: self._laid_out(state[f"{name}/{key}"], parameter) for key in MOMENTS}
            self._put(
                updated, {"step": state[f"{name}/step"].to(self._step_device(parameter))} | loaded
            )

    def _put(self, updated: Tensor, values: dict[str, Tensor]) -> None:
        there: dict[str, Any] = self.adam.state[updated]
        for key, value in values.items():
            if key in there:
                there[key].copy_(value)  # a CUDA graph knows the place
            else:
                there[key] = value.clone()

    def _rows(self) -> list[tuple[str, nn.Parameter, Tensor]]:
        return list(zip(self.names, self.parameters, self._updated, strict=True))

    def _step_device(self, parameter: Tensor) -> torch.device:
        return torch.device("cpu")

    def _shaped(self, moment: Tensor, parameter: Tensor) -> Tensor:
        return moment

    def _laid_out(self, moment: Tensor, parameter: Tensor) -> Tensor:
        return torch.empty_like(parameter, requires_grad=False).copy_(moment)


class FusedAdam(LoopAdam):
    """One kernel for all of an update, on parameters of any memory format.

    It is given one-dimensional views of parameters and gradients, in the order of memory. On the
    CPU torch's fused Adam (2.13) copies parameters in channels_last to and fro, and, far worse,
    applies a wrong update without a word when a gradient's strides are not its parameter's: such a
    gradient is copied into its layout here.

    `capturable` keeps the rate and the count of steps on the device, for a CUDA graph.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        rate: float,
        betas: tuple[float, float],
        *,
        clip_norm: float | None = None,
        capturable: bool = False,
    ) -> None:
        self.capturable = capturable
        super().__init__(parameters, rate, betas, clip_norm=clip_norm)

    def _made(self, rate: float, betas: tuple[float, float]) -> Adam:
        self._updated = [in_memory_order(parameter.detach()) for parameter in self.parameters]
        if not self.capturable:
            return Adam(self._updated, lr=rate, betas=betas, fused=True)
        on_device = torch.tensor(rate, device=self.parameters[0].device)
        return Adam(self._updated, lr=on_device, betas=betas, fused=True, capturable=True)

    def _hand_over_gradients(self) -> None:
        for parameter, updated in zip(self.parameters, self._updated, strict=True):
            gradient = parameter.grad
            if gradient is None:
                updated.grad = None
                continue
            updated.grad = in_memory_order(self.laid_out(gradient, parameter))

    def laid_out(self, gradient: Tensor, parameter: Tensor) -> Tensor:
        """A gradient in the layout of its parameter."""
        same = _lie_alike(gradient, parameter)
        return (
            gradient
            if same
            else torch.empty_like(parameter, dtype=gradient.dtype, requires_grad=False).copy_(
                gradient
            )
        )

    def _step_device(self, parameter: Tensor) -> torch.device:
        return parameter.device

    def _shaped(self, moment: Tensor, parameter: Tensor) -> Tensor:
        return moment.as_strided(parameter.shape, parameter.stride())

    def _put(self, updated: Tensor, values: dict[str, Tensor]) -> None:
        flat = {
            key: in_memory_order(value) if value.dim() else value for key, value in values.items()
        }
        super()._put(updated, flat)


def in_memory_order(tensor: Tensor) -> Tensor:
    """A dense tensor as one dimension, in the order of memory."""
    return tensor.as_strided((tensor.numel(),), (1,))


def _lie_alike(one: Tensor, other: Tensor) -> bool:
    """Whether equal places in two tensors of one shape are equal places in memory."""
    rows = zip(one.shape, one.stride(), other.stride(), strict=True)
    return all(size == 1 or a == b for size, a, b in rows)


def is_dense(tensor: Tensor) -> bool:
    """Whether its elements fill a stretch of memory, in whatever order."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True
