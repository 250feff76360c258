from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskMsg(_message.Message):
    __slots__ = ("name", "origin", "pred", "succ", "log", "command", "argument", "join", "id", "attempt", "options", "shared", "after_any")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        Pending: _ClassVar[TaskMsg.State]
        Stolen: _ClassVar[TaskMsg.State]
        Waiting: _ClassVar[TaskMsg.State]
        Copying: _ClassVar[TaskMsg.State]
        Ready: _ClassVar[TaskMsg.State]
        Started: _ClassVar[TaskMsg.State]
        Done: _ClassVar[TaskMsg.State]
        Recorded: _ClassVar[TaskMsg.State]
    Pending: TaskMsg.State
    Stolen: TaskMsg.State
    Waiting: TaskMsg.State
    Copying: TaskMsg.State
    Ready: TaskMsg.State
    Started: TaskMsg.State
    Done: TaskMsg.State
    Recorded: TaskMsg.State
    class Dep(_message.Message):
        __slots__ = ("name", "location")
        NAME_FIELD_NUMBER: _ClassVar[int]
        LOCATION_FIELD_NUMBER: _ClassVar[int]
        name: str
        location: str
        def __init__(self, name: _Optional[str] = ..., location: _Optional[str] = ...) -> None: ...
    class LogMsg(_message.Message):
        __slots__ = ("state", "time")
        STATE_FIELD_NUMBER: _ClassVar[int]
        TIME_FIELD_NUMBER: _ClassVar[int]
        state: TaskMsg.State
        time: int
        def __init__(self, state: _Optional[_Union[TaskMsg.State, str]] = ..., time: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    PRED_FIELD_NUMBER: _ClassVar[int]
    SUCC_FIELD_NUMBER: _ClassVar[int]
    LOG_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ARGUMENT_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    AFTER_ANY_FIELD_NUMBER: _ClassVar[int]
    name: str
    origin: str
    pred: _containers.RepeatedCompositeFieldContainer[TaskMsg.Dep]
    succ: _containers.RepeatedCompositeFieldContainer[TaskMsg.Dep]
    log: _containers.RepeatedCompositeFieldContainer[TaskMsg.LogMsg]
    command: bytes
    argument: _containers.RepeatedScalarFieldContainer[bytes]
    join: bool
    id: int
    attempt: int
    options: Options
    shared: int
    after_any: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., origin: _Optional[str] = ..., pred: _Optional[_Iterable[_Union[TaskMsg.Dep, _Mapping]]] = ..., succ: _Optional[_Iterable[_Union[TaskMsg.Dep, _Mapping]]] = ..., log: _Optional[_Iterable[_Union[TaskMsg.LogMsg, _Mapping]]] = ..., command: _Optional[bytes] = ..., argument: _Optional[_Iterable[bytes]] = ..., join: bool = ..., id: _Optional[int] = ..., attempt: _Optional[int] = ..., options: _Optional[_Union[Options, _Mapping]] = ..., shared: _Optional[int] = ..., after_any: _Optional[_Iterable[str]] = ...) -> None: ...

class Plain(_message.Message):
    __slots__ = ("name", "id", "attempt", "shared")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    name: _containers.RepeatedScalarFieldContainer[str]
    id: _containers.RepeatedScalarFieldContainer[int]
    attempt: _containers.RepeatedScalarFieldContainer[int]
    shared: int
    def __init__(self, name: _Optional[_Iterable[str]] = ..., id: _Optional[_Iterable[int]] = ..., attempt: _Optional[_Iterable[int]] = ..., shared: _Optional[int] = ...) -> None: ...

class Options(_message.Message):
    __slots__ = ("cores", "memory", "gpus", "timeout", "retries", "priority", "cwd", "min_time", "env", "shell", "creates", "warn_signal", "warn_before", "grace")
    CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    CWD_FIELD_NUMBER: _ClassVar[int]
    MIN_TIME_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    SHELL_FIELD_NUMBER: _ClassVar[int]
    CREATES_FIELD_NUMBER: _ClassVar[int]
    WARN_SIGNAL_FIELD_NUMBER: _ClassVar[int]
    WARN_BEFORE_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    cores: int
    memory: int
    gpus: int
    timeout: float
    retries: int
    priority: int
    cwd: bytes
    min_time: float
    env: _containers.RepeatedCompositeFieldContainer[Variable]
    shell: Shell
    creates: _containers.RepeatedScalarFieldContainer[bytes]
    warn_signal: int
    warn_before: float
    grace: float
    def __init__(self, cores: _Optional[int] = ..., memory: _Optional[int] = ..., gpus: _Optional[int] = ..., timeout: _Optional[float] = ..., retries: _Optional[int] = ..., priority: _Optional[int] = ..., cwd: _Optional[bytes] = ..., min_time: _Optional[float] = ..., env: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., shell: _Optional[_Union[Shell, _Mapping]] = ..., creates: _Optional[_Iterable[bytes]] = ..., warn_signal: _Optional[int] = ..., warn_before: _Optional[float] = ..., grace: _Optional[float] = ...) -> None: ...

class Shell(_message.Message):
    __slots__ = ("word", "setup", "place")
    WORD_FIELD_NUMBER: _ClassVar[int]
    SETUP_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    word: _containers.RepeatedScalarFieldContainer[bytes]
    setup: _containers.RepeatedScalarFieldContainer[bytes]
    place: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, word: _Optional[_Iterable[bytes]] = ..., setup: _Optional[_Iterable[bytes]] = ..., place: _Optional[_Iterable[str]] = ...) -> None: ...

class Resources(_message.Message):
    __slots__ = ("cores", "memory", "gpus")
    CORES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    cores: int
    memory: int
    gpus: int
    def __init__(self, cores: _Optional[int] = ..., memory: _Optional[int] = ..., gpus: _Optional[int] = ...) -> None: ...

class Variable(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    value: bytes
    def __init__(self, name: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class Results(_message.Message):
    __slots__ = ("id", "attempt", "exit_status", "signal", "started", "seconds", "user", "system", "max_rss", "text")
    class Text(_message.Message):
        __slots__ = ("row", "error", "stdout", "stderr", "stdout_sent", "stderr_sent", "cause", "left")
        ROW_FIELD_NUMBER: _ClassVar[int]
        ERROR_FIELD_NUMBER: _ClassVar[int]
        STDOUT_FIELD_NUMBER: _ClassVar[int]
        STDERR_FIELD_NUMBER: _ClassVar[int]
        STDOUT_SENT_FIELD_NUMBER: _ClassVar[int]
        STDERR_SENT_FIELD_NUMBER: _ClassVar[int]
        CAUSE_FIELD_NUMBER: _ClassVar[int]
        LEFT_FIELD_NUMBER: _ClassVar[int]
        row: int
        error: str
        stdout: bytes
        stderr: bytes
        stdout_sent: int
        stderr_sent: int
        cause: int
        left: int
        def __init__(self, row: _Optional[int] = ..., error: _Optional[str] = ..., stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., stdout_sent: _Optional[int] = ..., stderr_sent: _Optional[int] = ..., cause: _Optional[int] = ..., left: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    EXIT_STATUS_FIELD_NUMBER: _ClassVar[int]
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    MAX_RSS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    id: _containers.RepeatedScalarFieldContainer[int]
    attempt: _containers.RepeatedScalarFieldContainer[int]
    exit_status: _containers.RepeatedScalarFieldContainer[int]
    signal: _containers.RepeatedScalarFieldContainer[int]
    started: _containers.RepeatedScalarFieldContainer[float]
    seconds: _containers.RepeatedScalarFieldContainer[float]
    user: _containers.RepeatedScalarFieldContainer[float]
    system: _containers.RepeatedScalarFieldContainer[float]
    max_rss: _containers.RepeatedScalarFieldContainer[int]
    text: _containers.RepeatedCompositeFieldContainer[Results.Text]
    def __init__(self, id: _Optional[_Iterable[int]] = ..., attempt: _Optional[_Iterable[int]] = ..., exit_status: _Optional[_Iterable[int]] = ..., signal: _Optional[_Iterable[int]] = ..., started: _Optional[_Iterable[float]] = ..., seconds: _Optional[_Iterable[float]] = ..., user: _Optional[_Iterable[float]] = ..., system: _Optional[_Iterable[float]] = ..., max_rss: _Optional[_Iterable[int]] = ..., text: _Optional[_Iterable[_Union[Results.Text, _Mapping]]] = ...) -> None: ...

class Count(_message.Message):
    __slots__ = ("state", "n")
    STATE_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    state: str
    n: int
    def __init__(self, state: _Optional[str] = ..., n: _Optional[int] = ...) -> None: ...

class QueryMsg(_message.Message):
    __slots__ = ("type", "task", "name", "n", "location", "error", "slots", "wait", "sequence", "answers", "compare", "ids", "env_keep", "env_drop", "env", "again", "attempts", "has", "pin", "enforce_memory", "leftovers", "beat", "protocol", "version", "hello", "steal", "results", "server", "connection", "wants_output", "output_limit", "stream", "data", "plain", "shared_options", "states", "awaited", "count")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        Create: _ClassVar[QueryMsg.Type]
        Steal: _ClassVar[QueryMsg.Type]
        Complete: _ClassVar[QueryMsg.Type]
        Transfer: _ClassVar[QueryMsg.Type]
        Lookup: _ClassVar[QueryMsg.Type]
        NotFound: _ClassVar[QueryMsg.Type]
        OK: _ClassVar[QueryMsg.Type]
        Exit: _ClassVar[QueryMsg.Type]
        Error: _ClassVar[QueryMsg.Type]
        Welcome: _ClassVar[QueryMsg.Type]
        Recall: _ClassVar[QueryMsg.Type]
        Cancel: _ClassVar[QueryMsg.Type]
        Output: _ClassVar[QueryMsg.Type]
        Retry: _ClassVar[QueryMsg.Type]
        Hold: _ClassVar[QueryMsg.Type]
        Release: _ClassVar[QueryMsg.Type]
        List: _ClassVar[QueryMsg.Type]
        Show: _ClassVar[QueryMsg.Type]
        Read: _ClassVar[QueryMsg.Type]
        Answer: _ClassVar[QueryMsg.Type]
        Beat: _ClassVar[QueryMsg.Type]
        Leave: _ClassVar[QueryMsg.Type]
        Include: _ClassVar[QueryMsg.Type]
        Workers: _ClassVar[QueryMsg.Type]
        Drain: _ClassVar[QueryMsg.Type]
        Watch: _ClassVar[QueryMsg.Type]
        Await: _ClassVar[QueryMsg.Type]
        Warn: _ClassVar[QueryMsg.Type]
        Move: _ClassVar[QueryMsg.Type]
    Create: QueryMsg.Type
    Steal: QueryMsg.Type
    Complete: QueryMsg.Type
    Transfer: QueryMsg.Type
    Lookup: QueryMsg.Type
    NotFound: QueryMsg.Type
    OK: QueryMsg.Type
    Exit: QueryMsg.Type
    Error: QueryMsg.Type
    Welcome: QueryMsg.Type
    Recall: QueryMsg.Type
    Cancel: QueryMsg.Type
    Output: QueryMsg.Type
    Retry: QueryMsg.Type
    Hold: QueryMsg.Type
    Release: QueryMsg.Type
    List: QueryMsg.Type
    Show: QueryMsg.Type
    Read: QueryMsg.Type
    Answer: QueryMsg.Type
    Beat: QueryMsg.Type
    Leave: QueryMsg.Type
    Include: QueryMsg.Type
    Workers: QueryMsg.Type
    Drain: QueryMsg.Type
    Watch: QueryMsg.Type
    Await: QueryMsg.Type
    Warn: QueryMsg.Type
    Move: QueryMsg.Type
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    N_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    COMPARE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ENV_KEEP_FIELD_NUMBER: _ClassVar[int]
    ENV_DROP_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    AGAIN_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    HAS_FIELD_NUMBER: _ClassVar[int]
    PIN_FIELD_NUMBER: _ClassVar[int]
    ENFORCE_MEMORY_FIELD_NUMBER: _ClassVar[int]
    LEFTOVERS_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    STEAL_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    SERVER_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    WANTS_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PLAIN_FIELD_NUMBER: _ClassVar[int]
    SHARED_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    AWAITED_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    type: QueryMsg.Type
    task: _containers.RepeatedCompositeFieldContainer[TaskMsg]
    name: str
    n: int
    location: str
    error: str
    slots: int
    wait: float
    sequence: int
    answers: int
    compare: bool
    ids: _containers.RepeatedScalarFieldContainer[int]
    env_keep: _containers.RepeatedScalarFieldContainer[bytes]
    env_drop: _containers.RepeatedScalarFieldContainer[bytes]
    env: _containers.RepeatedCompositeFieldContainer[Variable]
    again: bool
    attempts: _containers.RepeatedScalarFieldContainer[int]
    has: Resources
    pin: bool
    enforce_memory: bool
    leftovers: int
    beat: float
    protocol: int
    version: str
    hello: bool
    steal: int
    results: Results
    server: str
    connection: str
    wants_output: bool
    output_limit: int
    stream: int
    data: bytes
    plain: Plain
    shared_options: _containers.RepeatedCompositeFieldContainer[Options]
    states: _containers.RepeatedScalarFieldContainer[str]
    awaited: bool
    count: _containers.RepeatedCompositeFieldContainer[Count]
    def __init__(self, type: _Optional[_Union[QueryMsg.Type, str]] = ..., task: _Optional[_Iterable[_Union[TaskMsg, _Mapping]]] = ..., name: _Optional[str] = ..., n: _Optional[int] = ..., location: _Optional[str] = ..., error: _Optional[str] = ..., slots: _Optional[int] = ..., wait: _Optional[float] = ..., sequence: _Optional[int] = ..., answers: _Optional[int] = ..., compare: bool = ..., ids: _Optional[_Iterable[int]] = ..., env_keep: _Optional[_Iterable[bytes]] = ..., env_drop: _Optional[_Iterable[bytes]] = ..., env: _Optional[_Iterable[_Union[Variable, _Mapping]]] = ..., again: bool = ..., attempts: _Optional[_Iterable[int]] = ..., has: _Optional[_Union[Resources, _Mapping]] = ..., pin: bool = ..., enforce_memory: bool = ..., leftovers: _Optional[int] = ..., beat: _Optional[float] = ..., protocol: _Optional[int] = ..., version: _Optional[str] = ..., hello: bool = ..., steal: _Optional[int] = ..., results: _Optional[_Union[Results, _Mapping]] = ..., server: _Optional[str] = ..., connection: _Optional[str] = ..., wants_output: bool = ..., output_limit: _Optional[int] = ..., stream: _Optional[int] = ..., data: _Optional[bytes] = ..., plain: _Optional[_Union[Plain, _Mapping]] = ..., shared_options: _Optional[_Iterable[_Union[Options, _Mapping]]] = ..., states: _Optional[_Iterable[str]] = ..., awaited: bool = ..., count: _Optional[_Iterable[_Union[Count, _Mapping]]] = ...) -> None: ...
