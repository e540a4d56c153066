import FunctionBus

/// Apart from tests that see the room below, which has a type of the same name.
enum Sample {
    static func handler() throws -> FunctionHandler {
        FunctionHandler(try FunctionName("demo/echo")) { Response($0.payload) }
    }
}
