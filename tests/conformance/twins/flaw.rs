//! The ways in which a twin can be wrong.

/// The single way in which a twin is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    // What it says of itself.
    NoSummary,
    UnknownStream,
    NoPrefix,
    SameIdTwice,
    SecretAsText,
    NoHelp,
    WildcardHost,
    PlainHttp,
    RatioOfCounts,
    RetriesRefusals,
    EmptyGuide,
    NoLimits,
    NoCost,
    // How it tests.
    TakesAnyKey,
    HidesMissingScope,
    TestWantsMore,
    AnotherAccountEachTime,
    // What it hands in.
    LeavesADayOut,
    AnswersTwice,
    OutsideThePeriod,
    SaysNothing,
    DaysForWeeks,
    LeavesAWeekOut,
    AllFailTogether,
    ZerosForFailures,
    GapForNothing,
    CallsMissingScopeUnknown,
    Swallows401,
    AnotherTimeOtherwise,
    // Where secrets go.
    SecretInError,
    SecretInLog,
    SecretInMetadata,
    SecretInPanic,
    SecretInCheckEncoded,
    // How it asks.
    OwnSocket,
    UntriedSignIn,
    RetriesByItself,
    TakesLimitForAnswer,
    FirstPageOnly,
    FollowsForEver,
    EmptyPageIsTheEnd,
    IgnoresLimits,
    IgnoresRetryAfter,
    // How it goes on after something went wrong.
    CountsTwice,
    CheckpointBeforeData,
    CheckpointPastFailure,
    ReadsOn,
    LogsByItself,
    StaysDown,
}
