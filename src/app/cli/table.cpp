#include "app/cli/table.h"

#include <algorithm>

#include "base/error.h"

namespace slipway::app::cli {

namespace {

std::string padded(const std::string& cell, std::size_t width) {
  const std::size_t taken = display_width(cell);
  return cell + std::string(taken < width ? width - taken : 0, ' ');
}

}  // namespace

void Table::add(std::vector<std::string> row) {
  SLIPWAY_ASSERT(row.size() == headings_.size());
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out, const Style& style) const {
  std::vector<std::size_t> widths;
  for (const std::string& heading : headings_) widths.push_back(display_width(heading));
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  const auto print_row = [&](const std::vector<std::string>& row, bool is_heading) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_last = i + 1 == row.size();
      const std::string cell = is_last ? row[i] : padded(row[i], widths[i]) + "  ";
      out << (is_heading ? style.bold(cell) : cell);
    }
    out << '\n';
  };
  print_row(headings_, true);
  for (const auto& row : rows_) print_row(row, false);
}

void Facts::add(std::string name, std::string value) {
  if (!value.empty()) facts_.emplace_back(std::move(name), std::move(value));
}

void Facts::print(std::ostream& out, const Style& style) const {
  std::size_t width = 0;
  for (const auto& [name, value] : facts_) width = std::max(width, display_width(name));
  for (const auto& [name, value] : facts_) out << style.bold(padded(name, width)) << "  " << value << '\n';
}

std::string age(base::Instant at, base::Instant now) {
  using namespace std::chrono;
  const auto past = duration_cast<seconds>(now - at).count();
  if (past < 1) return "now";
  if (past < 120) return std::to_string(past) + "s";
  if (past < 2 * 3600) return std::to_string(past / 60) + "m";
  if (past < 2 * 86400) return std::to_string(past / 3600) + "h";
  return std::to_string(past / 86400) + "d";
}

}  // namespace slipway::app::cli
