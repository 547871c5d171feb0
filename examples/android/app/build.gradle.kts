plugins {
    id("com.android.application") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.4.20"
    id("org.jetbrains.kotlin.plugin.compose") version "2.4.20"
}

android {
    namespace = "io.github.peergraph.examples"
    compileSdk = 36
    defaultConfig {
        applicationId = "io.github.peergraph.examples.chat"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
    }
    buildFeatures { compose = true }
    buildTypes { release { isMinifyEnabled = true } }
    // The view model, tested on the JVM by examples/kotlin.
    sourceSets["main"].kotlin.srcDir("../model/src/main/kotlin")
}

dependencies {
    implementation("io.github.peergraph:peergraph-android:0.1.0")
    implementation(platform("androidx.compose:compose-bom:2025.10.01"))
    implementation("androidx.compose.material3:material3")
    implementation("androidx.activity:activity-compose:1.11.0")
    implementation("androidx.lifecycle:lifecycle-viewmodel-compose:2.9.4")
    implementation("androidx.lifecycle:lifecycle-runtime-compose:2.9.4")
    implementation("androidx.lifecycle:lifecycle-process:2.9.4")
}
