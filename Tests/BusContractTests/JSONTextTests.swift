import BusContract
import Testing

@Suite("JSON text")
struct JSONTextTests {
    @Test(
        "A value is read and written again",
        arguments: [
            "null", "true", "false", "0", "-1", "9223372036854775807", "1.5", "-0.25", "\"\"", "\"é😀\"", "[]", "{}",
            "[1,[2,[]],{\"a\":null}]", #"{"b":1,"a":{"c":[true]}}"#, #""\"\\\n\r\t\u0001""#,
        ])
    func roundTrip(_ text: String) throws {
        #expect(try JSONText(parsing: text).text == text)
    }

    @Test(
        "Other spellings are read",
        arguments: [
            (" [ 1 , 2 ] ", "[1,2]"), ("\t{\r\n\"a\" : 1 }\n", "{\"a\":1}"),
            (#""\u00e9\/\b\f""#, "\"é/\\u0008\\u000c\""),
            (#""\ud83d\ude00""#, "\"😀\""), ("1E2", "100.0"), ("1.0", "1.0"), ("-0", "0"), ("1e-2", "0.01"),
        ])
    func tolerance(_ text: String, _ written: String) throws {
        #expect(try JSONText(parsing: text).text == written)
    }

    @Test(
        "What RFC 8259 does not allow is refused",
        arguments: [
            "", " ", "nul", "True", "1 2", "[1,]", "[,1]", "{,}", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "[1",
            "{",
            "\"", "\"a", "\"\n\"", #""\x""#, #""\u12""#, #""\u+123""#, #""\ud83d""#, #""\ud83dx""#, #""\ud83d\u0041""#,
            #""\ude00""#, "01", "-01", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "--1", "1-2", "1e999", "0x10", "NaN",
            "]",
            "[1}", "'a'", "nullx", "// x",
        ])
    func invalid(_ text: String) {
        #expect(throws: ContractError.self) { try JSONText(parsing: text) }
    }

    @Test("Every prefix of a document is refused")
    func prefixes() throws {
        let text = #"{"a":[1,"b\u00e9",true,{"c":null}]}"#
        _ = try JSONText(parsing: text)
        for count in 0..<text.count {
            #expect(throws: ContractError.self) { try JSONText(parsing: String(text.prefix(count))) }
        }
    }

    @Test("Nesting is limited, so that no text can exhaust the stack")
    func depth() throws {
        let fits = String(repeating: "[", count: 63) + "1" + String(repeating: "]", count: 63)
        #expect(try JSONText(parsing: fits).text == fits)
        #expect(throws: ContractError.self) { try JSONText(parsing: "[" + fits + "]") }
        #expect(throws: ContractError.self) { try JSONText(parsing: String(repeating: "[", count: 1_000_000)) }
    }

    @Test("An error says at which byte it is")
    func position() {
        #expect(throws: ContractError("not valid JSON at byte 4: ',' or ']' is missing")) {
            try JSONText(parsing: "[1, x]".replacing(", x", with: "  x"))
        }
    }

    @Test("A number above the integers is read as a double, and one that is whole counts as an integer")
    func numbers() throws {
        #expect(try JSONText(parsing: "9223372036854775808") == .double(9_223_372_036_854_775_808))
        #expect(try JSONText(parsing: "5.0").integer == 5)
        #expect(try JSONText(parsing: "5.5").integer == nil)
    }

    @Test("Of a member that stands twice the last one counts")
    func duplicates() throws {
        #expect(try JSONText(parsing: #"{"a":1,"a":2}"#)["a"] == .integer(2))
    }

    @Test("A value asked for as another type is nil")
    func types() throws {
        let json = JSONText.object([
            ("s", .string("x")), ("b", .bool(true)), ("a", .array([.null])), ("n", .integer(3)),
        ])
        #expect(json["s"]?.string == "x")
        #expect(json["b"]?.bool == true)
        #expect(json["a"]?.array == [.null])
        #expect(json["n"]?.integer == 3)
        #expect(json["s"]?.integer == nil)
        #expect(json["n"]?.string == nil)
        #expect(json["missing"] == nil)
        #expect(JSONText.null["s"] == nil)
    }

    @Test("Infinity is written as null, since JSON has no such number")
    func infinity() {
        #expect(JSONText.double(.infinity).text == "null")
        #expect(JSONText.double(.nan).text == "null")
    }
}
