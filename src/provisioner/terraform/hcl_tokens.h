#pragma once
// The tokens of HCL's native syntax (github.com/hashicorp/hcl: hclsyntax/spec.md), as far as a reader needs them that
// looks for blocks and literal values and evaluates nothing: a template (string or heredoc) is one token, whatever is
// interpolated in it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace slipway::provisioner::terraform {

// Where something stands in a template, for people: main.tf:3.
struct HclPlace {
  std::string file;
  std::size_t line = 1;
  std::string text() const { return file + ":" + std::to_string(line); }
};

// user TEMPLATE_INVALID: "main.tf:3: …".
base::Error hcl_error(const HclPlace& place, std::string_view reason);

enum class HclTokenKind {
  identifier,
  number,
  text,         // a quoted template
  heredoc,      // with its end marker
  punctuation,  // one character, or an operator of several
  newline,
  end,
};

struct HclToken {
  HclTokenKind kind = HclTokenKind::end;
  std::string_view source;           // as written; heredocs without the line break after the marker
  std::size_t line = 1;              // of the first character, counted from 1
  std::size_t last_line = 1;         // of the last one
  std::optional<std::string> value;  // of a template without interpolations

  bool is(std::string_view punctuation) const { return kind == HclTokenKind::punctuation && source == punctuation; }
};

// Comments are left out. Ends with one `end`. The tokens refer to `source`. Throws hcl_error: of a string, a comment
// or a heredoc without an end, a character that HCL does not know, and interpolations nested beyond 64.
std::vector<HclToken> hcl_tokens(std::string_view source, const std::string& file);

}  // namespace slipway::provisioner::terraform
