import BusContract
import Testing

@Suite("Function name")
struct FunctionNameTests {
    @Test(
        "A letter, then letters, digits, '_' and '-' make a name",
        arguments: ["a", "Z", "a-b", "a_b", "EdgeFC", "x9", "a" + String(repeating: "b", count: 127)])
    func valid(_ part: String) throws {
        let name = try FunctionName(service: part, function: part)
        #expect(name.service == part)
        #expect(name.function == part)
        #expect(name.description == "\(part)/\(part)")
        #expect(try FunctionName(parsing: "\(part)/\(part)") == name)
        #expect(!name.isSystem)
    }

    @Test(
        "Any other text is refused in both places",
        arguments: [
            "", "_a", "_sys", "9a", "-a", "a b", "a/b", "a+", "#", "a.b", "é", "aé", "a\u{301}", "a\0", "@", "[", "`",
            "{",
            "a" + String(repeating: "b", count: 128),
        ])
    func invalid(_ part: String) {
        #expect(throws: ContractError.self) { try FunctionName(service: part, function: "f") }
        #expect(throws: ContractError.self) { try FunctionName(service: "s", function: part) }
    }

    @Test(
        "The resource name of the edge platform is read, with its front part or without",
        arguments: [
            "service:EdgeFC:function:helloworld",
            "acs:fc:cn-shanghai:1234567890123456:service:EdgeFC:function:helloworld",
            "acs:fc:::service:EdgeFC:function:helloworld", "acs:fc:ap-southeast-1::service:EdgeFC:function:helloworld",
            "acs:fc::1234567890123456:service:EdgeFC:function:helloworld", "EdgeFC/helloworld",
        ])
    func resourceName(_ text: String) throws {
        #expect(try FunctionName(parsing: text) == FunctionName(service: "EdgeFC", function: "helloworld"))
    }

    @Test(
        "A text that names no function is refused",
        arguments: [
            "", "EdgeFC", "a/b/c", "/", "a/", "/b", "service:a", "service:a:function:", "service:_a:function:b",
            "acs:fc:service:a:function:b", "acs:xx:::service:a:function:b", "acs:fc:CN::service:a:function:b",
            "acs:fc:cn-shanghai-12::service:a:function:b", "acs:fc::123:service:a:function:b",
            "acs:fc::123456789012345x:service:a:function:b", "function:a:service:b", "_sys/stats",
        ])
    func unreadable(_ text: String) {
        #expect(throws: ContractError.self) { try FunctionName(parsing: text) }
    }

    @Test("The platform's own functions have an init of their own")
    func system() throws {
        let name = try FunctionName(systemOperation: "task-get")
        #expect(name.isSystem)
        #expect(name.description == "_sys/task-get")
        #expect(throws: ContractError.self) { try FunctionName(systemOperation: "_x") }
    }

    @Test("Names are ordered by service, then by function")
    func order() throws {
        let names = try ["b/a", "a/c", "a/b"].map { try FunctionName(parsing: $0) }
        #expect(names.sorted().map(\.description) == ["a/b", "a/c", "b/a"])
    }

    @Test("An error says what was given and what is right")
    func message() {
        do {
            _ = try FunctionName(service: "9", function: "f")
            Issue.record("not refused")
        } catch {
            #expect(error.description.contains("'9'"))
            #expect(error.description.contains("letter"))
        }
    }
}
