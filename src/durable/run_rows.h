#pragma once
// Rows of the table of runs as journal::Row: for the files that ask for them in SQL of their own.

#include <string_view>
#include <vector>

#include "durable/journal.h"

namespace slipway::durable::journal {

// "SELECT <the columns> FROM runs ", to be continued; its rows are read by to_rows.
extern const std::string_view kSelectRuns;
std::vector<Row> to_rows(const store::Rows& rows);

}  // namespace slipway::durable::journal
