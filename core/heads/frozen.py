"""The lower part of an encoder that is not trained: what belongs to it, and how known states take its place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, wraps
from pathlib import Path
from typing import Any

import torch
from torch import nn


class CannotFreeze(ValueError):
    """The architecture has no lower layers that could be kept apart; the text says why."""


class FrozenPart:
    """The embeddings and the lowest layers of an encoder: no gradient, no dropout; its states follow from the input.

    The layers stay where they are, so that the encoder is saved whole. What belongs to the part is seen when a text
    goes through: the parameters that its states depend on, and the modules that are done before its last layer is.
    """

    def __init__(self, model: Any, *, n_layers: int, probe: torch.Tensor, padding: int) -> None:  # noqa: ANN401  untyped
        """Freeze the lowest layers.

        Args:
            model: transformers' base model; its parameters of the part no longer require gradients.
            n_layers: Layers of the part, at least 1 and fewer than there are.
            probe: (1, pieces) ids of a short text, at least two pieces, on the model's device.
            padding: Id of the padding.

        Raises:
            CannotFreeze: It has no stack of layers with weights of their own, or they hand on more than states.
        """
        layers = stack_of(model)
        if len(layers) < 2:
            raise CannotFreeze("has no stack of layers with weights of their own")
        self._model, self._top = model, layers[n_layers - 1]
        self.kept_in: Path | None = None
        """Folder where states are kept; None: nowhere."""
        self._given: torch.Tensor | None = None
        self._stops = False
        self._handed_on: int | None = None
        model.eval()
        whole, states, done = self._seen(probe)
        self._modules = list({id(m): m for module in done for m in module.modules()}.values())
        own = {id(p): p for module in self._modules for p in module.parameters(recurse=False)}
        found = own | {id(p): p for p in _leaves(states)}
        if any(id(p) in found for layer in layers[n_layers:] for p in layer.parameters()):
            raise CannotFreeze("has layers that share their weights")
        words = model.get_input_embeddings()
        self._words = words.weight if type(words) is nn.Embedding and id(words.weight) in found else None
        self._names = [name for name, p in model.named_parameters() if id(p) in found and p is not self._words]
        self._tokens_first = states.shape[0] != 1
        for parameter in found.values():
            parameter.requires_grad_(False)
        for layer in layers[:n_layers]:
            self._put_before(layer)
        self._check(probe, states=states.detach(), whole=whole.detach())
        self.is_alone = self._sees_no_padding(probe, padding=padding)
        """Whether the states of a text are the same in a padded batch; some architectures read the padding, too."""

    def rest(self) -> None:
        """Take the dropout out of the part, after the whole encoder was set to training."""
        for module in self._modules:
            module.training = False

    @contextmanager
    def given(self, states: torch.Tensor) -> Iterator[None]:
        """Inside the block the part's layers compute nothing and give these states.

        Args:
            states: (rows, tokens, hidden), as the part gives them for what goes through the model.
        """
        self._given = states.transpose(0, 1).contiguous() if self._tokens_first else states
        try:
            yield
        finally:
            self._given = None

    def states(self, run: Callable[[], object]) -> torch.Tensor:
        """States of the part, (rows, tokens, hidden); the layers above are not computed.

        Args:
            run: Puts an input through the model.
        """
        self._stops = True
        try:
            run()
        except _Reached as reached:
            return reached.states.transpose(0, 1) if self._tokens_first else reached.states
        finally:
            self._stops = False
        raise AssertionError("the model did not run its frozen layers")

    def digest(self, pieces: torch.Tensor) -> str:
        """32 hexadecimal digits of all that decides the states of a text: the architecture, the part's weights.

        Of the embedding matrix, most of many a multilingual encoder, the rows that are looked up are enough.

        Args:
            pieces: (n,) int64 ids that occur in the text, each once, ascending.
        """
        running = self._beside_words.copy()
        if self._words is not None:
            running.update(_bytes(self._words.detach()[pieces.to(self._words.device)]))
        return running.hexdigest()

    @cached_property
    def _beside_words(self) -> hashlib.blake2b:
        config = self._model.config.to_dict()
        told = {name: value for name, value in config.items() if not _is_idle(name)}
        running = hashlib.blake2b(json.dumps(told, sort_keys=True, default=str).encode(), digest_size=16)
        parameters = dict(self._model.named_parameters())
        for name in self._names:
            tensor = parameters[name].detach()
            running.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            running.update(_bytes(tensor))
        return running

    def _seen(self, probe: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[nn.Module]]:
        """Last states of the probe, those of the part, and the modules that were done by then."""
        done, found = list[nn.Module](), list[torch.Tensor]()

        def finished(module: nn.Module, inputs: object, output: Any) -> None:  # noqa: ANN401  a hook
            del inputs
            if not found:
                done.append(module)
            if module is self._top:
                self._handed_on = len(output) if isinstance(output, tuple) else None
                found.append(_first(output))

        hooks = [module.register_forward_hook(finished) for module in self._model.modules()]
        try:
            with torch.enable_grad():
                whole = self._model(input_ids=probe).last_hidden_state
        finally:
            for hook in hooks:
                hook.remove()
        return whole, found[0], done

    def _put_before(self, layer: nn.Module) -> None:
        """Have a layer give the states that are given, where there are any."""
        compute, is_top = layer.forward, layer is self._top

        @wraps(compute)
        def forward(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  whatever the architecture hands its layers
            if self._given is not None:
                n = self._handed_on
                return self._given if n is None else (self._given, *[None] * (n - 1))
            output = compute(*args, **kwargs)
            if is_top and self._stops:
                raise _Reached(_first(output))
            return output

        layer.forward = forward  # an attribute of the module itself: names and weights stay what they are

    def _check(self, probe: torch.Tensor, *, states: torch.Tensor, whole: torch.Tensor) -> None:
        """Refuse an architecture whose layers above read something else of the part than its states."""
        try:
            with torch.no_grad(), self.given(states.transpose(0, 1) if self._tokens_first else states):
                found = self._model(input_ids=probe).last_hidden_state
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise CannotFreeze(f"has layers that hand on more than their states ({error})") from error
        if not torch.allclose(found, whole, rtol=1e-5, atol=1e-6):
            raise CannotFreeze("has layers that hand on more than their states")

    def _sees_no_padding(self, probe: torch.Tensor, *, padding: int) -> bool:
        ids = nn.functional.pad(probe, (0, probe.shape[1]), value=padding)
        mask = (torch.arange(ids.shape[1], device=ids.device) < probe.shape[1]).long()[None]
        with torch.no_grad():
            alone = self.states(lambda: self._model(input_ids=probe))
            padded = self.states(lambda: self._model(input_ids=ids, attention_mask=mask))[:, : probe.shape[1]]
        return alone.shape == padded.shape and torch.allclose(alone, padded, rtol=1e-4, atol=1e-5)


class _Reached(Exception):  # noqa: N818  no error: the way out of a model that need not run further
    def __init__(self, states: torch.Tensor) -> None:
        self.states = states
        super().__init__()


def stack_of(model: nn.Module) -> list[nn.Module]:
    """The layers of an encoder, lowest first; none where they share weights (ALBERT) or lie in several stacks (XLM).

    Args:
        model: transformers' base model.
    """
    wanted = int(model.config.num_hidden_layers)  # type: ignore[arg-type,union-attr]  # a module's attributes have no type
    found: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        is_inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.ModuleList) and len(module) == wanted and not is_inside:
            found[name] = module
    return list(*found.values()) if len(found) == 1 else []


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes()


def _first(output: Any) -> Any:  # noqa: ANN401  a tensor, or a tuple that begins with one
    return output[0] if isinstance(output, tuple) else output


def _leaves(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Every tensor with a gradient that a tensor was computed from."""
    todo, met = [tensor.grad_fn], set[Any]()
    while todo:
        node = todo.pop()
        if node is None or node in met:
            continue
        met.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        todo.extend(following for following, _ in node.next_functions)


def _is_idle(name: str) -> bool:
    """Whether a field of a configuration has no say in the states of an evaluated encoder."""
    return name.startswith("_") or "dropout" in name or name in {"architectures", "transformers_version", "dtype"}
