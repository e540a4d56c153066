/// The user properties of the call protocol.
package enum PropertyName {
    // Requests.
    package static let ttl = "fc-ttl-ms"
    package static let context = "fc-context"
    package static let key = "fc-key"
    package static let wait = "fc-wait-ms"
    package static let idempotent = "fc-idempotent"
    package static let progress = "fc-progress"
    package static let hops = "fc-hops"
    package static let cancel = "fc-cancel"
    /// `1`: the final reply says how long the call waited and ran.
    package static let trace = "fc-trace"
    package static let traceParent = "traceparent"
    package static let traceState = "tracestate"
    package static let protocolVersion = "__protVer"
    /// Accepted and ignored.
    package static let sourceIdentifier = "__srcId"
    /// Accepted and ignored.
    package static let timestamp = "__ts"

    // Asynchronous requests.
    package static let attemptsMax = "fc-max-attempts"
    package static let backoff = "fc-backoff"
    package static let notBefore = "fc-not-before-ms"
    package static let onSuccess = "fc-on-success"
    package static let onFailure = "fc-on-failure"

    // Set by the broker, and taken off when a client sends them.
    package static let caller = "fc-caller"
    package static let callerIdentifier = "fc-caller-id"
    package static let attempt = "fc-attempt"
    package static let task = "fc-task"

    /// Whether only the broker may say this: it is taken off what clients send.
    package static func isReserved(_ name: String) -> Bool {
        guard name.utf8.starts(with: "fc-".utf8) else { return false }
        return name == self.caller || name == self.callerIdentifier || name == self.attempt || name == self.task
    }

    // Dead letters.
    package static let attempts = "fc-attempts"
    package static let lastStatus = "fc-last-status"
    package static let firstAt = "fc-first-at"
    package static let reason = "fc-reason"

    // Replies.
    package static let status = "__stat"
    package static let statusMessage = "__stMsg"
    package static let applicationError = "__apErr"
    package static let propertyName = "__propName"
    package static let propertyValue = "__propVal"
    package static let code = "fc-code"
    package static let executed = "fc-exec"
    package static let by = "fc-by"
    package static let retryAfter = "fc-retry-after-ms"
    package static let retry = "fc-retry"
    package static let instance = "fc-instance"
    package static let replay = "fc-replay"
    package static let more = "fc-more"
    package static let sequence = "fc-seq"
    /// Microseconds, on the final reply of a traced call.
    package static let queueTime = "fc-queue-us"
    package static let serviceTime = "fc-service-us"

    // Events: the attributes of CloudEvents 1.0 in binary mode.
    package static let eventVersion = "specversion"
    package static let eventIdentifier = "id"
    package static let eventSource = "source"
    package static let eventType = "type"
    package static let eventSubject = "subject"

    // CONNACK: this broker knows calls.
    package static let broker = "fc"
    package static let capabilities = "fc-caps"
    /// What this broker adds to plain publish/subscribe, for the property above.
    package static let capabilityList = "call,async,cancel,progress,key,wait,trace,events,control,system"
}

/// Numbers that the protocol fixes.
package enum ContractLimits {
    package static let correlationBytesMax = 64
    /// The `<call>` level of the topic form.
    package static let callIdentifierBytesMax = 64
    package static let contextBytesMax = 16 << 10
    /// Nested calls; one more is answered with 508.
    package static let hopsMax = 16
    /// Without an expiry and without a catalog entry, in milliseconds.
    package static let defaultTimeoutMilliseconds: UInt64 = 10_000
    /// Attempts of an asynchronous call that says nothing of it.
    package static let defaultAttemptsMax = 3
    /// How long an asynchronous call without an expiry is tried.
    package static let defaultAgeMilliseconds: UInt64 = 24 * 3_600_000
}
