#include "store/store.h"

#include <future>

#include "store/drivers.h"

namespace slipway::store {
namespace {

// Waits for one write or read. The promise is shared: the thread that fulfils it may still be inside it when the one
// that waited is gone.
template <class Submit>
void wait_for(Submit submit) {
  auto promise = std::make_shared<std::promise<void>>();
  auto outcome = promise->get_future();
  submit([promise](std::exception_ptr failure) { failure ? promise->set_exception(failure) : promise->set_value(); });
  outcome.get();
}

}  // namespace

Value Parameter::value() const {
  if (const auto* whole = this->whole()) return *whole;
  if (const auto* real = this->real()) return *real;
  if (const auto text = this->text()) return std::string(*text);
  return std::monostate();
}

std::int64_t Row::integer(std::size_t column) const {
  const auto* value = std::get_if<std::int64_t>(&columns_.at(column));
  SLIPWAY_ASSERT(value);
  return *value;
}

double Row::real(std::size_t column) const {
  // A whole number is a real one too: databases differ in what a sum or a literal is.
  if (const auto* whole = std::get_if<std::int64_t>(&columns_.at(column))) return double(*whole);
  const auto* value = std::get_if<double>(&columns_.at(column));
  SLIPWAY_ASSERT(value);
  return *value;
}

const std::string& Row::text(std::size_t column) const {
  const auto* value = std::get_if<std::string>(&columns_.at(column));
  SLIPWAY_ASSERT(value);
  return *value;
}

std::optional<std::int64_t> Row::integer_or_null(std::size_t column) const {
  return is_null(column) ? std::nullopt : std::optional(integer(column));
}

std::optional<std::string> Row::text_or_null(std::size_t column) const {
  return is_null(column) ? std::nullopt : std::optional(text(column));
}

std::optional<base::Instant> Row::instant_or_null(std::size_t column) const {
  return is_null(column) ? std::nullopt : std::optional(instant(column));
}

void Transaction::leave_to(std::string_view ending, std::any) {
  throw base::internal_error("nothing can be left to the ending '" + std::string(ending) + "' here");
}

std::unique_ptr<Listening> Database::listen(std::string, Bell) { return std::make_unique<Listening>(); }

void Database::ring(std::string_view, std::string_view) {}

void Database::write_and_wait(Work work) {
  wait_for([&](Done done) { write(std::move(work), std::move(done)); });
}

void Database::read_and_wait(Work work) {
  wait_for([&](Done done) { read(std::move(work), std::move(done)); });
}

std::unique_ptr<Database> open(std::string_view url) {
  if (url.starts_with("postgres://") || url.starts_with("postgresql://")) return open_postgres(url);
  return open_sqlite(url);
}

}  // namespace slipway::store
