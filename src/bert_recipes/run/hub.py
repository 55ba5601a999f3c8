"""The Hugging Face Hub: why it does not give something, in a line that says what to do; and a run's upload there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # httpx's, under whichever name the client has it
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id
from transformers import TrainingArguments
from transformers.trainer_utils import HubStrategy

from .errors import UserError

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
NOT_UPLOADED = ["checkpoint-*", "unfinished/*", "_*", ".*"]


def reason(error: BaseException, name: str, repo_type: str = "model") -> str:
    """Why the Hub does not give `name`, and what to do about it, in one line; another error's own words as they are."""
    page = f"{constants.ENDPOINT}/{'datasets/' if repo_type == 'dataset' else ''}{name}"
    for cause in chain(error):
        match cause:
            case GatedRepoError():
                return f"{page} is gated: accept its terms there, then {LOG_IN} (with a token of that account)"
            case RepositoryNotFoundError():
                return f"{page} is not there, or it is private: check the name, or {LOG_IN}"
            case RevisionNotFoundError():
                return f"{page} has no such revision: name a branch, a tag or a commit of it"
            case HfHubHTTPError() if cause.response.status_code == 401:
                return f"{constants.ENDPOINT} does not accept the token: {LOG_IN} to a valid one"
            case HfHubHTTPError() if cause.response.status_code == 403:
                return f"the token has no right to that ({cause.server_message}): {LOG_IN} to one that may write"
            case OfflineModeIsEnabled():
                return "HF_HUB_OFFLINE=1 keeps from asking the Hub, and it is not in the cache: unset it"
            case HfHubHTTPError():
                break
            case HTTPError():
                return f"the connection to {constants.ENDPOINT} failed ({one_line(cause)}): try again"
    return one_line(error)


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def refusal_of_dataset(name: str) -> HfHubHTTPError | None:
    """What the Hub says against `name`, where it says something: `datasets` swallows it."""
    try:
        huggingface_hub.auth_check(name, repo_type="dataset")
    except HfHubHTTPError as error:
        return error
    except (HTTPError, OSError, ValueError):  # no answer, or no name that the Hub could have
        pass
    return None


def check_upload(args: TrainingArguments) -> None:
    """Raise `UserError` where --push_to_hub is sure to fail, as far as that can be known without asking the Hub."""
    if not args.push_to_hub:
        return
    if args.hub_strategy != "end":
        strategy = HubStrategy(args.hub_strategy).value
        raise UserError(f"--hub_strategy {strategy}: the finished model alone is uploaded: leave it out")
    try:
        validate_repo_id(repo_id_of(args))
    except HFValidationError as error:
        raise UserError(f"--push_to_hub: {error} Name another with --hub_model_id") from error
    if constants.is_offline_mode():
        raise UserError(
            "--push_to_hub: HF_HUB_OFFLINE=1 keeps from asking the Hub: unset it, or leave --push_to_hub out"
        )
    if not (args.hub_token or huggingface_hub.get_token()):
        raise UserError(f"--push_to_hub needs a token: {LOG_IN}, or pass --hub_token")


def repo_id_of(args: TrainingArguments) -> str:
    """The name that is asked for; the Hub puts the user's in front of it."""
    return args.hub_model_id or Path(args.output_dir).absolute().name


@contextmanager
def failures_of_upload(args: TrainingArguments, what: str) -> Iterator[None]:
    try:
        yield
    except (HTTPError, OSError, ValueError) as error:
        raise UserError(f"{what}: {reason(error, repo_id_of(args))}") from error


def open_for_upload(args: TrainingArguments, repo_id: str) -> None:
    """Make sure of the right to write, and of the branch: a run of days must not find out at its end."""
    huggingface_hub.auth_check(repo_id, token=args.hub_token, write=True)
    if args.hub_revision:
        huggingface_hub.create_branch(repo_id, branch=args.hub_revision, token=args.hub_token, exist_ok=True)


def upload(args: TrainingArguments, repo_id: str) -> None:
    """All that the run has left in output_dir, but its checkpoints."""
    folder = Path(args.output_dir)
    again = f"`hf upload {repo_id} {folder} --exclude 'checkpoint-*'` does it again"
    with failures_of_upload(args, f"the run is finished and saved in {folder}, but not uploaded ({again})"):
        commit = huggingface_hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            token=args.hub_token,
            revision=args.hub_revision,
            commit_message=f"Upload {folder.name}",
            ignore_patterns=NOT_UPLOADED,
        )
    print(f"uploaded to {commit.repo_url}")
