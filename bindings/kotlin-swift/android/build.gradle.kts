// The library for Android, an AAR: the sources of ../kotlin as they are, natives from natives.sh, JNA's own AAR.
plugins {
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.4.20"
    id("maven-publish")
}

group = "io.github.peergraph"
version = "0.1.0"

android {
    namespace = "io.github.peergraph"
    compileSdk = 36
    defaultConfig {
        // java.nio.file is there from 26 on.
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
    sourceSets["main"].apply {
        kotlin.srcDirs("../kotlin/src/main/kotlin", "../kotlin/target/generated/peergraph")
        jniLibs.srcDir("jniLibs")
    }
    publishing { singleVariant("release") { withSourcesJar() } }
}

kotlin { explicitApi() }

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.10.2")
    implementation("net.java.dev.jna:jna:5.17.0@aar")
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "peergraph-android"
            afterEvaluate { from(components["release"]) }
        }
    }
}
