#pragma once
// The one exception type that carries a failure across rooms.
//
// It is thrown where the failure arises, with the class set there (never guessed from a text), and translated once at
// each edge: an HTTP answer, a failed step of a run, or a log line. Absence is not an error: that is std::optional.

#include <boost/describe/enum.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::base {

// What a caller may do about the failure.
enum class ErrorClass {
  transient,  // may pass by itself: try again with back-off
  throttled,  // asked to slow down: try again, not before `retry_after`
  quota,      // a limit is reached: try again much later, and show that we wait for it
  conflict,   // somebody else was faster, or the state does not allow it: look again, then decide
  user,       // the request is wrong: only its sender can mend it
  internal,   // our fault, or a machine's: trying again does not help
};
BOOST_DESCRIBE_ENUM(ErrorClass, transient, throttled, quota, conflict, user, internal)

class Error : public std::exception {
 public:
  // `code` is for programs (UPPER_SNAKE), `message` for people: a sentence that says what to do where it can.
  Error(ErrorClass error_class, std::string code, std::string message, boost::json::value details = nullptr);

  ErrorClass error_class() const noexcept { return class_; }
  const std::string& code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const boost::json::value& details() const noexcept { return details_; }
  std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }
  Error&& with_retry_after(std::chrono::milliseconds after) &&;
  // Of a call that failed before it was made: whoever was to be called has seen nothing of it.
  bool made_no_call() const noexcept { return made_no_call_; }
  Error&& with_no_call_made() &&;
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  ErrorClass class_;
  std::string code_;
  std::string message_;
  boost::json::value details_;
  std::optional<std::chrono::milliseconds> retry_after_;
  bool made_no_call_ = false;
  std::string what_;
};

// The failures that every room knows. `field` names the offending input, as the sender wrote it.
Error validation_error(std::string_view field, std::string reason, boost::json::value allowed = nullptr);
Error not_found(std::string_view what, std::string_view id);
Error invalid_state(std::string message);
Error internal_error(std::string message);
// The environment failed: `errno_value` becomes part of the message.
Error system_error(std::string_view action, int errno_value);

// Any exception as an Error; what is not one becomes INTERNAL_ERROR.
Error as_error(const std::exception_ptr& failure);

// A broken invariant: says what was broken and aborts, in production too. Never reached by input.
[[noreturn]] void invariant_broken(const char* expression, const char* file, int line);
#define SLIPWAY_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::slipway::base::invariant_broken(#expression, __FILE__, __LINE__))

}  // namespace slipway::base
