package example;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPairGenerator;
import java.security.interfaces.RSAPrivateKey;
import java.security.interfaces.RSAPublicKey;
import java.time.Duration;
import java.util.Properties;
import java.util.UUID;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.annotation.web.configurers.oauth2.server.authorization.OAuth2AuthorizationServerConfigurer;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.jose.jws.MacAlgorithm;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;
import org.springframework.security.web.SecurityFilterChain;

/** An authorization server with the defaults of the framework, and clients in files. */
@SpringBootApplication
public class AuthorizationServer {

  public static void main(String[] arguments) {
    SpringApplication.run(AuthorizationServer.class, arguments);
  }

  @Bean
  SecurityFilterChain endpoints(HttpSecurity http) throws Exception {
    var configurer = new OAuth2AuthorizationServerConfigurer();
    http.securityMatcher(configurer.getEndpointsMatcher())
        .with(configurer, (server) -> {})
        .authorizeHttpRequests((requests) -> requests.anyRequest().authenticated());
    return http.build();
  }

  @Bean
  AuthorizationServerSettings settings(@Value("${matrix.issuer}") String issuer) {
    return AuthorizationServerSettings.builder().issuer(issuer).build();
  }

  /** A new key for each start, so that earlier tokens become invalid. */
  @Bean
  JWKSource<SecurityContext> signingKeys() throws Exception {
    var generator = KeyPairGenerator.getInstance("RSA");
    generator.initialize(2048);
    var pair = generator.generateKeyPair();
    var key = new RSAKey.Builder((RSAPublicKey) pair.getPublic())
        .privateKey((RSAPrivateKey) pair.getPrivate())
        .keyID(UUID.randomUUID().toString())
        .build();
    return new ImmutableJWKSet<>(new JWKSet(key));
  }

  @Bean
  RegisteredClientRepository clients(
      @Value("${matrix.clients}") Path directory, @Value("${matrix.lifetime}") Duration lifetime) {
    return new RegisteredClientRepository() {
      /** Called to replace a plain secret with its hash; the file is not changed. */
      @Override
      public void save(RegisteredClient client) {}

      /** The identifier of a registration is that of its client, a colon, and its generation. */
      @Override
      public RegisteredClient findById(String id) {
        return findByClientId(id.substring(0, id.indexOf(':')));
      }

      @Override
      public RegisteredClient findByClientId(String clientId) {
        Path file = directory.resolve(clientId + ".properties");
        if (!clientId.matches("[a-z-]+") || !Files.exists(file)) {
          return null;
        }
        var given = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
          given.load(reader);
        } catch (IOException exception) {
          throw new IllegalStateException(exception);
        }
        return register(clientId, given, lifetime);
      }
    };
  }

  private static RegisteredClient register(String clientId, Properties given, Duration lifetime) {
    String method = given.getProperty("method");
    var settings = ClientSettings.builder().jwkSetUrl(given.getProperty("jwksUrl"));
    if (method.equals("client_secret_jwt")) {
      settings.tokenEndpointAuthenticationSigningAlgorithm(MacAlgorithm.HS256);
    } else if (method.equals("private_key_jwt")) {
      settings.tokenEndpointAuthenticationSigningAlgorithm(SignatureAlgorithm.RS256);
    } else if (method.equals("tls_client_auth")) {
      settings.x509CertificateSubjectDN(given.getProperty("subject"));
    }
    boolean isPlain = !method.equals("client_secret_jwt");
    return RegisteredClient.withId(clientId + ":" + given.getProperty("generation"))
        .clientId(clientId)
        .clientSecret((isPlain ? "{noop}" : "") + given.getProperty("secret"))
        .clientAuthenticationMethod(new ClientAuthenticationMethod(method))
        .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
        .scope(given.getProperty("scope"))
        .clientSettings(settings.build())
        .tokenSettings(TokenSettings.builder().accessTokenTimeToLive(lifetime).build())
        .build();
  }
}
