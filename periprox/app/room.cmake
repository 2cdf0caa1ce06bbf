target_link_libraries(${target} PRIVATE CLI11::CLI11 spdlog::spdlog nlohmann_json::nlohmann_json fmt::fmt)
target_compile_definitions(${target} PRIVATE PERIPROX_VERSION="${PROJECT_VERSION}")
