#pragma once
// What is done once for a whole group, at its end: the endings of a database, and what the works of one group left to
// them. See Database::add_ending.

#include <any>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace slipway::store {

// Grows while the database is wired, and is only read from then on.
class Endings {
 public:
  void add(std::string name, Ending ending);
  std::size_t size() const { return endings_.size(); }

 private:
  friend class LeftItems;
  struct Named {
    std::string name;
    Ending ending;
  };
  std::deque<Named> endings_;  // in the order in which they run
};

// Items for each ending, in the order in which they were left. For one transaction, or for one work of it.
class LeftItems {
 public:
  explicit LeftItems(const Endings& endings) : endings_(&endings) {}

  // Throws INTERNAL_ERROR when there is no such ending.
  void leave(std::string_view ending, std::any item);
  void take_from(LeftItems&& work);
  void forget() { items_.clear(); }
  bool empty() const { return items_.empty(); }
  LeftItems with_same_endings() const { return LeftItems(*endings_); }
  // Calls each ending that has items.
  void run(Transaction& tx) const;

 private:
  const Endings* endings_;
  std::vector<std::vector<std::any>> items_;  // by ending; empty while nothing was left
};

}  // namespace slipway::store
