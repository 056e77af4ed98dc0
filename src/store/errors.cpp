#include "store/errors.h"

#include <boost/json/object.hpp>

namespace slipway::store {

using base::Error;
using base::ErrorClass;

Error constraint_violated(std::string_view kind, std::string_view constraint, std::string_view message) {
  boost::json::object details{{"kind", kind}};
  if (!constraint.empty()) details["constraint"] = constraint;
  return Error(ErrorClass::conflict, "CONSTRAINT_VIOLATED", std::string(message), std::move(details));
}

Error store_full(std::string_view message) {
  return Error(ErrorClass::transient, "STORE_FULL", "the database has no space left: " + std::string(message));
}

Error store_busy(std::string_view message) {
  return Error(ErrorClass::transient, "STORE_BUSY", "the database is busy: " + std::string(message));
}

Error store_unavailable(std::string_view message) {
  return Error(ErrorClass::transient, "STORE_UNAVAILABLE", "the database does not answer: " + std::string(message));
}

Error wrong_sql(std::string_view message, std::string_view sql) {
  return Error(ErrorClass::internal, "INTERNAL_ERROR", "a statement failed: " + std::string(message),
               boost::json::object{{"sql", sql}});
}

Error text_not_storable(std::string_view reason) {
  return Error(ErrorClass::user, "TEXT_NOT_STORABLE", "a text cannot be stored: " + std::string(reason));
}

}  // namespace slipway::store
