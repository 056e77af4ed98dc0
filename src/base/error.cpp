#include "base/error.h"

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace slipway::base {

Error::Error(ErrorClass error_class, std::string code, std::string message, boost::json::value details)
    : class_(error_class),
      code_(std::move(code)),
      message_(std::move(message)),
      details_(std::move(details)),
      what_(code_ + ": " + message_) {}

Error&& Error::with_retry_after(std::chrono::milliseconds after) && {
  retry_after_ = after;
  return std::move(*this);
}

Error&& Error::with_no_call_made() && {
  made_no_call_ = true;
  return std::move(*this);
}

Error validation_error(std::string_view field, std::string reason, boost::json::value allowed) {
  boost::json::object detail{{"field", field}, {"reason", reason}};
  if (!allowed.is_null()) detail["allowed"] = std::move(allowed);
  return Error(ErrorClass::user, "VALIDATION_ERROR", std::string(field) + ": " + reason, std::move(detail));
}

Error not_found(std::string_view what, std::string_view id) {
  return Error(ErrorClass::user, "NOT_FOUND", "there is no " + std::string(what) + " '" + std::string(id) + "'",
               boost::json::object{{"resource", what}, {"id", id}});
}

Error invalid_state(std::string message) {
  return Error(ErrorClass::conflict, "INVALID_STATE_TRANSITION", std::move(message));
}

Error internal_error(std::string message) { return Error(ErrorClass::internal, "INTERNAL_ERROR", std::move(message)); }

Error system_error(std::string_view action, int errno_value) {
  return Error(ErrorClass::transient, "SYSTEM_ERROR",
               std::string(action) + ": " + std::generic_category().message(errno_value),
               boost::json::object{{"errno", errno_value}});
}

Error as_error(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    return internal_error(error.what());
  } catch (...) {
    return internal_error("something that is no exception was thrown");
  }
}

void invariant_broken(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "invariant broken: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace slipway::base
