import FunctionWorker

// State lives as long as the worker does.
var calls = 0

FunctionWorker.run { call, bus in
    calls += 1
    print("call \(calls) of this worker")  // a log line of the function
    guard !call.payload.isEmpty else { throw WorkerFailure("nothing to shout") }
    let greeting = try bus.call("EdgeFC/helloworld", call.payload, timeout: .seconds(2))
    return WorkerReply("\(greeting.text): \(call.text)!".uppercased(), contentType: "text/plain")
}
