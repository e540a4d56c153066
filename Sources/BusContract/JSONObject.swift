/// A JSON object whose members are read by name and type: absent or null gives `nil`, any other type is refused.
struct JSONObject {
    private let json: JSONText
    /// What it is, for people: `function descriptor`.
    private let name: String

    /// - Throws: where the text is not JSON or not an object.
    init(parsing text: String, as name: String) throws(ContractError) {
        try self.init(JSONText(parsing: text), as: name)
    }

    private init(_ json: JSONText, as name: String) throws(ContractError) {
        guard json.isObject else { throw ContractError("a \(name) must be a JSON object") }
        self.json = json
        self.name = name
    }

    func string(_ member: String) throws(ContractError) -> String? {
        try self.read(member, "a string") { $0.string }
    }

    func bool(_ member: String) throws(ContractError) -> Bool? {
        try self.read(member, "true or false") { $0.bool }
    }

    func integer(_ member: String, atLeast minimum: Int) throws(ContractError) -> Int? {
        try self.read(member, "an integer of at least \(minimum)") { $0.integer.flatMap { $0 >= minimum ? $0 : nil } }
    }

    func strings(_ member: String) throws(ContractError) -> [String]? {
        try self.read(member, "an array of strings") { json in
            guard let values = json.array else { return nil }
            let strings = values.compactMap(\.string)
            return strings.count == values.count ? strings : nil
        }
    }

    /// One of the words of an enumeration.
    func word<Word: RawRepresentable & CaseIterable>(_ member: String) throws(ContractError) -> Word?
    where Word.RawValue == String {
        let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
        return try self.read(member, "one of \(words)") { $0.string.flatMap(Word.init(rawValue:)) }
    }

    func object(_ member: String) throws(ContractError) -> JSONObject? {
        guard let value = self.json[member], value != .null else { return nil }
        return try JSONObject(value, as: "\(self.name)'s \(member)")
    }

    private func read<Value>(
        _ member: String, _ expectation: String, _ convert: (JSONText) -> Value?
    ) throws(ContractError) -> Value? {
        guard let value = self.json[member], value != .null else { return nil }
        guard let converted = convert(value) else {
            throw ContractError("\(self.name): \(member) must be \(expectation)")
        }
        return converted
    }
}
