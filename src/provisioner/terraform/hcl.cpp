#include "provisioner/terraform/hcl.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <span>

namespace slipway::provisioner::terraform {
namespace {

constexpr int kNestingMax = 64;

std::string json_string(std::string_view text) { return boost::json::serialize(boost::json::string_view(text)); }

// HCL's numbers may begin with zeros, JSON's may not. All digits are kept: HCL counts exactly.
std::string json_number(std::string_view source, bool negative) {
  while (source.size() > 1 && source[0] == '0' && source[1] >= '0' && source[1] <= '9') source.remove_prefix(1);
  return (negative ? "-" : "") + std::string(source);
}

bool opens(const HclToken& token) { return token.is("{") || token.is("[") || token.is("("); }
bool closes(const HclToken& token) { return token.is("}") || token.is("]") || token.is(")"); }

std::string_view closing_of(const HclToken& token) { return token.is("{") ? "}" : token.is("[") ? "]" : ")"; }

// Reads a literal value off the tokens of one expression; gives up at whatever is none.
class LiteralReader {
 public:
  explicit LiteralReader(std::span<const HclToken> tokens) : tokens_(tokens) {}

  std::optional<std::string> run() {
    skip_newlines();
    auto value = read(0);
    skip_newlines();
    if (at_ != tokens_.size()) return std::nullopt;
    return value;
  }

 private:
  const HclToken* peek() const { return at_ < tokens_.size() ? &tokens_[at_] : nullptr; }
  bool take(std::string_view punctuation) {
    if (!peek() || !peek()->is(punctuation)) return false;
    ++at_;
    return true;
  }
  bool skip_newlines() {
    const std::size_t before = at_;
    while (peek() && peek()->kind == HclTokenKind::newline) ++at_;
    return at_ != before;
  }

  std::optional<std::string> read(int depth);
  std::optional<std::string> read_list(int depth);
  std::optional<std::string> read_object(int depth);
  std::optional<std::string> read_key();

  std::span<const HclToken> tokens_;
  std::size_t at_ = 0;
};

std::optional<std::string> LiteralReader::read(int depth) {
  if (!peek() || depth > kNestingMax) return std::nullopt;
  const HclToken& token = tokens_[at_];
  if (token.is("[")) return read_list(depth);
  if (token.is("{")) return read_object(depth);
  ++at_;
  if (token.is("-") && peek() && peek()->kind == HclTokenKind::number) return json_number(tokens_[at_++].source, true);
  switch (token.kind) {
    case HclTokenKind::number:
      return json_number(token.source, false);
    case HclTokenKind::text:
    case HclTokenKind::heredoc:
      if (!token.value) return std::nullopt;
      return json_string(*token.value);
    case HclTokenKind::identifier:
      if (token.source == "true" || token.source == "false" || token.source == "null") return std::string(token.source);
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> LiteralReader::read_list(int depth) {
  std::string json = "[";
  take("[");
  skip_newlines();
  while (!take("]")) {
    const auto element = read(depth + 1);
    if (!element) return std::nullopt;
    if (json.size() > 1) json += ',';
    json += *element;
    skip_newlines();
    const bool more = take(",");
    skip_newlines();
    if (!more && !(peek() && peek()->is("]"))) return std::nullopt;
  }
  return json + "]";
}

std::optional<std::string> LiteralReader::read_key() {
  if (!peek()) return std::nullopt;
  const HclToken& token = tokens_[at_++];
  if (token.kind == HclTokenKind::identifier || token.kind == HclTokenKind::number) return std::string(token.source);
  if (token.kind == HclTokenKind::text) return token.value;
  return std::nullopt;
}

// Of a key that is given twice the last value holds.
std::optional<std::string> LiteralReader::read_object(int depth) {
  std::vector<std::pair<std::string, std::string>> members;
  take("{");
  skip_newlines();
  while (!take("}")) {
    auto key = read_key();
    if (!key || !(take("=") || take(":"))) return std::nullopt;
    skip_newlines();
    auto value = read(depth + 1);
    if (!value) return std::nullopt;
    std::erase_if(members, [&](const auto& member) { return member.first == *key; });
    members.emplace_back(std::move(*key), std::move(*value));
    const bool line_ended = skip_newlines();
    const bool more = take(",");
    skip_newlines();
    if (!more && !line_ended && !(peek() && peek()->is("}"))) return std::nullopt;
  }
  std::string json = "{";
  for (const auto& [key, value] : members) {
    if (json.size() > 1) json += ',';
    json += json_string(key) + ":" + value;
  }
  return json + "}";
}

// The expression on one line: as somebody would write it there.
std::string on_one_line(std::span<const HclToken> tokens) {
  std::string line;
  const HclToken* before = nullptr;
  bool line_broke = false;
  for (const auto& token : tokens) {
    if (token.kind == HclTokenKind::newline) {
      line_broke = true;
      continue;
    }
    if (before) {
      const bool touch = before->source.data() + before->source.size() == token.source.data();
      if (line_broke && !opens(*before) && !closes(token) && !before->is(",")) line += ',';
      if (!touch && !(line_broke && (before->is("(") || token.is(")") || before->is("[") || token.is("]"))))
        line += ' ';
    }
    line += token.source;
    before = &token;
    line_broke = false;
  }
  return line;
}

class BodyReader {
 public:
  BodyReader(std::span<const HclToken> tokens, const std::string& file) : tokens_(tokens), file_(file) {}

  HclBlock run() {
    HclBlock root{.type = {}, .labels = {}, .place = {.file = file_, .line = 1}};
    while (skip_newlines(), peek().kind != HclTokenKind::end) read_item(root, 0);
    root.last_line = peek().line;
    return root;
  }

 private:
  const HclToken& peek() const { return tokens_[at_]; }
  HclPlace place(const HclToken& token) const { return {.file = file_, .line = token.line}; }
  void skip_newlines() {
    while (peek().kind == HclTokenKind::newline) ++at_;
  }

  void read_item(HclBlock& parent, int depth);
  HclAttribute read_attribute(const HclToken& name);
  HclBlock read_block(const HclToken& type, int depth);
  std::span<const HclToken> read_expression();

  std::span<const HclToken> tokens_;
  const std::string& file_;
  std::size_t at_ = 0;
};

void BodyReader::read_item(HclBlock& parent, int depth) {
  const HclToken& name = peek();
  if (name.kind != HclTokenKind::identifier)
    throw hcl_error(place(name), "expected an argument or a block, found '" + std::string(name.source) + "'");
  if (depth > kNestingMax) throw hcl_error(place(name), "blocks are nested too deeply");
  ++at_;
  if (peek().is("=")) {
    ++at_;
    parent.attributes.push_back(read_attribute(name));
  } else {
    parent.blocks.push_back(read_block(name, depth));
  }
  const HclToken& after = peek();
  if (after.kind != HclTokenKind::newline && after.kind != HclTokenKind::end && !after.is("}"))
    throw hcl_error(place(after), "expected the end of the line, found '" + std::string(after.source) + "'");
}

HclAttribute BodyReader::read_attribute(const HclToken& name) {
  const auto expression = read_expression();
  HclAttribute attribute{.name = std::string(name.source),
                         .place = place(name),
                         .source = on_one_line(expression),
                         .json = LiteralReader(expression).run(),
                         .string = {}};
  if (expression.size() == 1) attribute.string = expression.front().value;
  return attribute;
}

// To the end of the line or of the body; inside brackets of any kind lines do not count.
std::span<const HclToken> BodyReader::read_expression() {
  const std::size_t begin = at_;
  std::vector<const HclToken*> open;
  while (peek().kind != HclTokenKind::end) {
    const HclToken& token = peek();
    if (open.empty() && (token.kind == HclTokenKind::newline || token.is("}"))) break;
    if (opens(token)) {
      open.push_back(&token);
    } else if (closes(token)) {
      if (open.empty() || closing_of(*open.back()) != token.source)
        throw hcl_error(place(token), "'" + std::string(token.source) + "' closes nothing that is open");
      open.pop_back();
    }
    ++at_;
  }
  if (!open.empty()) throw hcl_error(place(*open.back()), "'" + std::string(open.back()->source) + "' is never closed");
  if (at_ == begin) throw hcl_error(place(peek()), "an argument has no value");
  return tokens_.subspan(begin, at_ - begin);
}

HclBlock BodyReader::read_block(const HclToken& type, int depth) {
  HclBlock block{.type = std::string(type.source), .labels = {}, .place = place(type)};
  while (!peek().is("{")) {
    const HclToken& label = peek();
    if (label.kind == HclTokenKind::identifier) {
      block.labels.emplace_back(label.source);
    } else if (label.kind == HclTokenKind::text && label.value) {
      block.labels.push_back(*label.value);
    } else {
      throw hcl_error(place(label), "after '" + block.type + "' there should be '=', a label or '{'");
    }
    ++at_;
  }
  ++at_;
  while (skip_newlines(), !peek().is("}")) {
    if (peek().kind == HclTokenKind::end)
      throw hcl_error(block.place, "the block '" + block.type + "' that begins here is never closed");
    read_item(block, depth + 1);
  }
  block.last_line = peek().line;
  ++at_;
  return block;
}

}  // namespace

const HclAttribute* HclBlock::attribute(std::string_view name) const {
  const auto found = std::ranges::find(attributes, name, &HclAttribute::name);
  return found == attributes.end() ? nullptr : &*found;
}

HclBlock parse_hcl(std::string_view source, const std::string& file) {
  const auto tokens = hcl_tokens(source, file);
  return BodyReader(tokens, file).run();
}

}  // namespace slipway::provisioner::terraform
