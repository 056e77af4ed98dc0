#include "provisioner/terraform/terraform_log.h"

#include <algorithm>

namespace slipway::provisioner::terraform {
namespace {

using fleet::LogLevel;

std::string_view text_of(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

const json::Object* object_of(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value ? value->if_object() : nullptr;
}

std::size_t number_of(const json::Object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value && value->is_int64() && value->get_int64() > 0 ? std::size_t(value->get_int64()) : 0;
}

LogLevel level_of(std::string_view level) {
  if (level == "trace") return LogLevel::trace;
  if (level == "debug") return LogLevel::debug;
  if (level == "warn") return LogLevel::warn;
  if (level == "error") return LogLevel::error;
  return LogLevel::info;
}

void add_lines(std::vector<ReadableLine>& lines, LogLevel level, std::string_view text, std::string_view indent = {}) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end > 0) lines.push_back({.level = level, .text = std::string(indent) + std::string(text.substr(0, end))});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Diagnostic diagnostic_of(const json::Object& source) {
  Diagnostic result{.is_error = text_of(source, "severity") != "warning",
                    .summary = std::string(text_of(source, "summary")),
                    .detail = std::string(text_of(source, "detail"))};
  if (const auto* range = object_of(source, "range")) {
    result.file = text_of(*range, "filename");
    if (const auto* start = object_of(*range, "start")) result.line = number_of(*start, "line");
  }
  return result;
}

// "  on main.tf line 3, in resource "x" "y":" and the code there.
void add_place(std::vector<ReadableLine>& lines, LogLevel level, const Diagnostic& diagnostic,
               const json::Object& source) {
  if (diagnostic.file.empty()) return;
  const auto* snippet = object_of(source, "snippet");
  std::string place = "  on " + diagnostic.file + " line " + std::to_string(diagnostic.line);
  if (snippet && !text_of(*snippet, "context").empty()) place += ", in " + std::string(text_of(*snippet, "context"));
  lines.push_back({.level = level, .text = place + ":"});
  if (!snippet) return;
  std::size_t number = std::max<std::size_t>(number_of(*snippet, "start_line"), 1);
  std::string_view code = text_of(*snippet, "code");
  while (!code.empty()) {
    const std::size_t end = std::min(code.find('\n'), code.size());
    lines.push_back(
        {.level = level, .text = "  " + std::to_string(number++) + ": " + std::string(code.substr(0, end))});
    code.remove_prefix(std::min(end + 1, code.size()));
  }
}

void add_diagnostic(ReadableEvent& event, const json::Object& source) {
  const auto diagnostic = diagnostic_of(source);
  const auto level = diagnostic.is_error ? LogLevel::error : LogLevel::warn;
  event.lines.push_back({.level = level, .text = (diagnostic.is_error ? "Error: " : "Warning: ") + diagnostic.summary});
  if (const auto address = text_of(source, "address"); !address.empty())
    event.lines.push_back({.level = level, .text = "  with " + std::string(address)});
  add_place(event.lines, level, diagnostic, source);
  add_lines(event.lines, level, diagnostic.detail, "  ");
  event.diagnostic = diagnostic;
}

std::optional<json::Value> parse_leniently(std::string_view text) {
  try {
    return json::parse_value(text);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

// Colours, of commands that know no -json.
std::string without_escapes(std::string_view line) {
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      i += 2;
      while (i < line.size() && !(line[i] >= '@' && line[i] <= '~')) ++i;
    } else {
      result += line[i];
    }
  }
  return result;
}

}  // namespace

ReadableEvent read_event(std::string_view line) {
  ReadableEvent event;
  const auto value = line.starts_with('{') ? parse_leniently(line) : std::nullopt;
  const auto* source = value ? value->if_object() : nullptr;
  if (!source || !source->contains("@message")) {
    if (auto text = without_escapes(line); !text.empty()) event.lines.push_back({.text = std::move(text)});
    return event;
  }
  const auto* diagnostic = object_of(*source, "diagnostic");
  if (text_of(*source, "type") == "diagnostic" && diagnostic) {
    add_diagnostic(event, *diagnostic);
    return event;
  }
  auto level = level_of(text_of(*source, "@level"));
  if (text_of(*source, "type") == "version") level = LogLevel::debug;  // said already
  add_lines(event.lines, level, without_escapes(text_of(*source, "@message")));
  return event;
}

std::vector<Diagnostic> read_validation(std::string_view output) {
  std::vector<Diagnostic> result;
  const auto value = parse_leniently(output);
  const auto* root = value ? value->if_object() : nullptr;
  const auto* list = root ? root->if_contains("diagnostics") : nullptr;
  if (!list || !list->is_array()) return result;
  for (const auto& element : list->get_array())
    if (const auto* source = element.if_object()) result.push_back(diagnostic_of(*source));
  return result;
}

std::string summary_of(const std::vector<Diagnostic>& diagnostics) {
  const auto is_error = [](const Diagnostic& d) { return d.is_error; };
  const auto first = std::ranges::find_if(diagnostics, is_error);
  if (first == diagnostics.end()) return {};
  std::string text = first->summary;
  if (!first->file.empty()) text = first->file + ":" + std::to_string(first->line) + ": " + text;
  if (!first->detail.empty()) text += ": " + first->detail.substr(0, first->detail.find("\n\n"));
  std::ranges::replace(text, '\n', ' ');
  const auto errors = std::ranges::count_if(diagnostics, is_error);
  if (errors > 1) text += " (and " + std::to_string(errors - 1) + (errors == 2 ? " more error)" : " more errors)");
  return text;
}

}  // namespace slipway::provisioner::terraform
