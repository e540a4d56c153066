import BusContract
import Testing

@Suite("Client name in a topic")
struct ClientNameTests {
    @Test(
        "Bytes outside A-Z a-z 0-9 . _ ~ - are escaped, and come back",
        arguments: [
            ("me1", "me1"), ("A.b_c~d-9", "A.b_c~d-9"), ("a/b", "a%2Fb"), ("a+#b", "a%2B%23b"), ("100%", "100%25"),
            (" ", "%20"), ("é", "%C3%A9"), ("\u{1}", "%01"), ("", ""), ("\0", "%00"),
        ])
    func roundTrip(_ identifier: String, _ level: String) {
        #expect(ClientName.encode(identifier) == level)
        #expect(ClientName.decode(level) == identifier)
    }

    @Test("Needless escapes and small digits are understood", arguments: [("a%2fb", "a/b"), ("%61%62", "ab")])
    func tolerance(_ level: String, _ identifier: String) {
        #expect(ClientName.decode(level) == identifier)
    }

    @Test(
        "What is no encoding is refused",
        arguments: ["a/b", "a b", "%", "%2", "a%", "%2G", "%+5", "%-1", "é", "%C3", "%FF", "+", "#"])
    func invalid(_ level: String) {
        #expect(ClientName.decode(level) == nil)
    }

    @Test(
        "A call identifier has 1 to 64 plain characters",
        arguments: [
            ("42", true), ("a.b_c~d-E", true), (String(repeating: "x", count: 64), true), ("", false), ("a/b", false),
            (String(repeating: "x", count: 65), false), ("%20", false), ("é", false), ("a b", false),
        ])
    func callIdentifier(_ text: String, _ isValid: Bool) {
        #expect(ClientName.isCallIdentifier(text) == isValid)
    }
}
