pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}
dependencyResolutionManagement {
    repositories {
        google()
        mavenCentral()
        // Where `gradle publishToMavenLocal` of the library puts it.
        mavenLocal()
    }
}
rootProject.name = "chat"
include(":app")
