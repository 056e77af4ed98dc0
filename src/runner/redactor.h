#pragma once
// Puts *redacted* where a sensitive value stands (RUN-17): as it is, each line of it, and as JSON and base64 spell it,
// also inside a longer text. For one thread.

#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/template_parts.h"

namespace slipway::runner {

class Redactor {
 public:
  // Shorter values would hit everywhere and hide nothing.
  static constexpr std::size_t kLengthMin = 3;

  void add(std::string_view secret);
  // Those of the values that are sensitive.
  void add(const std::vector<fleet::NamedValue>& values);

  std::string redact(std::string_view text) const;
  void redact_in(std::string& text) const;
  void redact_in(std::vector<fleet::Resource>& resources) const;  // whatever of them is text

 private:
  void add_spelling(std::string spelling);
  const std::string* spelling_at(std::string_view text, std::size_t at) const;

  std::vector<std::string> spellings_;  // longest first, so that no secret is left of one that contains another
  std::bitset<256> first_bytes_;        // of them
};

}  // namespace slipway::runner
