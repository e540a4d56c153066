package import BusContract

/// What goes into the table and what comes out.
extension CallTable {
    /// What the table needs to know of a request.
    package struct Request: Sendable {
        package var caller: ClientHandle
        package var function: FunctionName
        package var address: CallAddress
        /// Nanoseconds from now until the deadline, `nil` when the request brings none.
        package var timeoutNanoseconds: UInt64?
        /// `nil` leaves it to the catalog.
        package var isIdempotent: Bool?
        /// Calls with the same key go to the same instance and stay in order.
        package var key: String?
        package var waitNanoseconds: UInt64 = 0
        package var acceptsProgress = false
        /// The answer goes to a topic outside the reply space.
        package var isAnsweredElsewhere = false
        /// The final reply says how long the call waited and ran.
        package var isTraced = false
        /// A hash of the payload: the same call twice has the same.
        package var digest: UInt64
        /// Bytes of the payload, and of the largest packet that an instance may get for it.
        package var payloadBytes = 0
        package var packetBytes = 0
        var message: Message
        /// The same request may come again and is then answered from memory.
        package var isRemembered: Bool

        package init(
            caller: ClientHandle, function: FunctionName, address: CallAddress, digest: UInt64, message: Message,
            isRemembered: Bool = true
        ) {
            self.caller = caller
            self.function = function
            self.address = address
            self.digest = digest
            self.message = message
            self.isRemembered = isRemembered
        }
    }

    /// A request for an instance.
    package struct Dispatch: Sendable {
        package var call: CallReference
        package var message: Message
        package var function: FunctionName
        package var instance: ClientHandle
        /// The forms in which the instance takes requests.
        package var forms: CallFilter.RequestForms
        package var remainingNanoseconds: UInt64
        package var attempt: Int
        package var caller: ClientHandle
        package var address: CallAddress
        /// The number of the call's admission, for names that the broker makes.
        package var order: UInt64
    }

    /// A word to an instance that its call is not wanted any more.
    package struct Cancellation: Sendable {
        package var function: FunctionName
        package var address: CallAddress
        package var instance: ClientHandle
        /// The reply topic under which the instance knows the call, where that is not the caller's.
        package var alias: String?
    }

    /// What the owner of the table does next.
    package enum Effect: Sendable {
        /// Give the request to an instance.
        case dispatch(Dispatch)
        /// Tell the caller how it failed.
        case fail(Failure, CallAddress, isReplay: Bool)
        /// Give the caller an answer once more.
        case replay([UInt8], Answered)
        /// Tell an instance to stop.
        case cancel(Cancellation)
        /// An on-demand function is called and nobody serves it.
        case wake(FunctionName)
        case event(CallEvent, FunctionName, detail: String)
    }

    /// What an instance says about a call, as far as the table must know it.
    package struct Outcome: Sendable {
        package var status: CallStatus
        package var executed: Executed
        /// An interim reply: more will follow.
        package var isInterim: Bool

        package init(status: CallStatus = .ok, executed: Executed = .yes, isInterim: Bool = false) {
            self.status = status
            self.executed = executed
            self.isInterim = isInterim
        }

        /// The instance gave the call back unread: another one may take it.
        var isRefusal: Bool {
            self.executed == .none && (self.status == .overloaded || self.status == .unavailable)
        }
    }

    /// The call that an answer is for.
    package struct Answered: Sendable, Equatable {
        package var caller: ClientHandle
        package var function: FunctionName
        package var address: CallAddress
        /// Set for the final reply of a traced call.
        package var trace: Trace?

        package init(caller: ClientHandle, function: FunctionName, address: CallAddress) {
            self.caller = caller
            self.function = function
            self.address = address
        }

        package struct Trace: Sendable, Equatable {
            package var queueNanoseconds: UInt64
            package var serviceNanoseconds: UInt64
        }
    }

    package enum Disposition: Equatable, Sendable {
        /// Deliver it: the call has ended.
        case deliver(Answered)
        /// Deliver it: more will follow.
        case deliverInterim(Answered)
        /// Drop it: the call goes on elsewhere, or its caller wants no interim replies.
        case swallowed
        /// Drop it: the call has ended before.
        case late
        /// No call that this client was given has this address.
        case noCall
    }
}

/// Something that operators may want to know.
package enum CallEvent: String, Sendable, CaseIterable {
    case failed, expired, lost, late, overload, dead, registered, unregistered, completed
}
