#pragma once
// Structured logs: a fixed sentence and its facts, one line each.
//
//   logger.info("workspace created", {{"workspace", id}, {"ms", 12}});
//   2025-01-12T10:00:00.000Z info workspace created workspace=… ms=12
//
// The sentence never contains data. Secrets print as *redacted*; control characters are escaped, so that what a user
// sends cannot forge a line.

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "base/secret.h"
#include "base/time.h"

namespace slipway::observe {

enum class Level { debug, info, warning, error };
enum class LogFormat { text, json };

std::optional<Level> parse_level(std::string_view name);  // debug, info, warning, error
std::optional<LogFormat> parse_log_format(std::string_view name);

// One fact. Texts are viewed, not copied: a Field lives no longer than the call that logs it.
class Field {
 public:
  using Value =
      std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool, base::Instant, base::Duration>;

  Field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
  Field(std::string_view key, const std::string& value) : key_(key), value_(std::string_view(value)) {}
  Field(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
  Field(std::string_view key, const base::Secret&) : key_(key), value_(base::kRedacted) {}
  Field(std::string_view key, bool value) : key_(key), value_(value) {}
  Field(std::string_view key, double value) : key_(key), value_(value) {}
  Field(std::string_view key, base::Instant value) : key_(key), value_(value) {}
  Field(std::string_view key, base::Duration value) : key_(key), value_(value) {}  // milliseconds
  template <std::signed_integral T>
  Field(std::string_view key, T value) : key_(key), value_(std::int64_t(value)) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Field(std::string_view key, T value) : key_(key), value_(std::uint64_t(value)) {}
  template <class Kind>
  Field(std::string_view key, const base::Id<Kind>& id) : key_(key), value_(std::string_view(id.str())) {}

  std::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  std::string_view key_;
  Value value_;
};
using Fields = std::initializer_list<Field>;

// One line without its line break.
std::string format_line(LogFormat format, base::Instant at, Level level, std::string_view sentence, Fields fields,
                        std::string_view fixed = {});

// Made by main, passed by reference. Thread-safe.
class Logger {
 public:
  struct Options {
    Level level = Level::info;
    LogFormat format = LogFormat::text;
    std::string file;  // appended to, reopened by `reopen`; empty: standard error
  };
  using Sink = std::function<void(std::string_view line)>;  // called by one thread at a time; for tests

  Logger(Options options, const base::Clock& clock);  // throws SYSTEM_ERROR when the file cannot be opened
  Logger(Options options, const base::Clock& clock, Sink sink);
  ~Logger();

  void debug(std::string_view sentence, Fields fields = {}) const { log(Level::debug, sentence, fields); }
  void info(std::string_view sentence, Fields fields = {}) const { log(Level::info, sentence, fields); }
  void warning(std::string_view sentence, Fields fields = {}) const { log(Level::warning, sentence, fields); }
  void error(std::string_view sentence, Fields fields = {}) const { log(Level::error, sentence, fields); }
  // An Error's code, class and message as fields.
  void error(std::string_view sentence, const base::Error& error, Fields fields = {}) const;
  void log(Level level, std::string_view sentence, Fields fields) const;

  bool enabled(Level level) const;
  void set_level(Level level);  // for this logger and those derived from it
  // The same place, with these fields in every line. Shares the sink: cheap.
  Logger with(Fields fields) const;
  void flush() const;
  void reopen() const;  // after the file was moved away

 private:
  friend Logger silent_logger();
  struct Shared;
  Logger(std::shared_ptr<Shared> shared, std::string fixed);
  std::shared_ptr<Shared> shared_;
  std::string fixed_;  // already formatted fields
};

// Keeps nothing: for tests and tools that do not log.
Logger silent_logger();

}  // namespace slipway::observe
