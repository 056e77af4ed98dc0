#pragma once
// Columns of text for people, and how they read times and sizes.

#include <ostream>
#include <string>
#include <vector>

#include "app/cli/terminal.h"
#include "base/time.h"

namespace slipway::app::cli {

// Headings, then rows; two spaces between columns, nothing after the last. Cells may hold colours, and must have been
// made `printable`.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}
  void add(std::vector<std::string> row);
  void print(std::ostream& out, const Style& style) const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

// Names and values below each other: the view of one thing. Empty values are left out.
class Facts {
 public:
  void add(std::string name, std::string value);
  void print(std::ostream& out, const Style& style) const;

 private:
  std::vector<std::pair<std::string, std::string>> facts_;
};

// "12s", "5m", "3h", "12d": how long `at` lies back; "now" when it does not.
std::string age(base::Instant at, base::Instant now);

}  // namespace slipway::app::cli
