# Compiles the SQL files of src/store/migrations into slipway_store, so that the program carries its schema.
set(migrations_directory ${CMAKE_SOURCE_DIR}/src/store/migrations)
set(migrations_source ${CMAKE_BINARY_DIR}/generated/store/embedded_migrations.cpp)
file(GLOB migration_files CONFIGURE_DEPENDS ${migrations_directory}/*.sql)
add_custom_command(
  OUTPUT ${migrations_source}
  COMMAND ${CMAKE_COMMAND} -DDIRECTORY=${migrations_directory} -DOUTPUT=${migrations_source}
          -P ${CMAKE_SOURCE_DIR}/cmake/embed_migrations.cmake
  DEPENDS ${migration_files} ${CMAKE_SOURCE_DIR}/cmake/embed_migrations.cmake
  VERBATIM)
target_sources(slipway_store PRIVATE ${migrations_source})
